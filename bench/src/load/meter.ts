import { systemClock } from '@ambit/mesh/runtime';
import { readCpuSeconds } from '../measure/process-usage.ts';
import type { TunnelLoadOptions } from './tunnels.ts';

/** What a generator has measured; printed as JSON. */
export interface HttpLoadResult {
  /** Or messages, or MiB. */
  readonly requests: number;
  readonly seconds: number;
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuSeconds?: number;
}

/** Latencies in steps of a microsecond; slower ones count as this. */
const SLOWEST_US = 2_000_000;

/** Counts what is answered while the clock runs. */
export class Meter {
  readonly #counts = new Uint32Array(SLOWEST_US + 1);
  #isMeasuring = false;
  #requests = 0;
  #errors = 0;

  /** One that was answered after so long. */
  add(latencyMs: number, isOk: boolean): void {
    if (!this.#isMeasuring) return;
    this.#requests += 1;
    if (!isOk) this.#errors += 1;
    const at = Math.min(SLOWEST_US, Math.round(latencyMs * 1000));
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** Lets the clock run as the options say. `countOf` in place of what was added: read before and after. */
  async measure(options: TunnelLoadOptions, countOf?: () => number): Promise<HttpLoadResult> {
    await systemClock.sleep(options.warmUpMs);
    const cpuOf = options.cpuOf ?? [];
    const cpuBefore = readCpuSeconds(cpuOf);
    const countBefore = countOf?.() ?? 0;
    this.#isMeasuring = true;
    const start = performance.now();
    await systemClock.sleep(options.durationMs);
    this.#isMeasuring = false;
    const seconds = (performance.now() - start) / 1000;
    const cpuSeconds = readCpuSeconds(cpuOf) - cpuBefore;
    const requests = countOf === undefined ? this.#requests : countOf() - countBefore;
    return {
      requests,
      seconds,
      errors: this.#errors,
      p50Us: this.#percentile(0.5),
      p99Us: this.#percentile(0.99),
      cpuSeconds,
    };
  }

  /** 0 when nothing was added. */
  #percentile(share: number): number {
    if (this.#requests === 0) return 0;
    let left = this.#requests * share;
    for (const [us, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0) return us;
    }
    return SLOWEST_US;
  }
}
