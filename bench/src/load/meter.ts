import { systemClock } from '@ambit/mesh/runtime';
import { readCpuSeconds } from '../measure/process-usage.ts';
import { LatencyCounts } from './latency-counts.ts';
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

/** Slower answers count as this. */
const SLOWEST_US = 2_000_000;

/** Counts what is answered while the clock runs. */
export class Meter {
  readonly #latencies = new LatencyCounts({ stepsPerUs: 1, slowestUs: SLOWEST_US });
  #isMeasuring = false;
  #requests = 0;
  #errors = 0;

  /** One that was answered after so long. */
  add(latencyMs: number, isOk: boolean): void {
    if (!this.#isMeasuring) return;
    this.#requests += 1;
    if (!isOk) this.#errors += 1;
    this.#latencies.add(latencyMs * 1000);
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
      p50Us: this.#latencies.percentileUs(0.5),
      p99Us: this.#latencies.percentileUs(0.99),
      cpuSeconds,
    };
  }
}
