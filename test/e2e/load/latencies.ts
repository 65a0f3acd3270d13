/** Steps of a tenth of a millisecond; what is slower than the last step counts there. */
const STEP_MS = 0.1;
const STEPS = 100_000;

export interface LatencyReport {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Millions of latencies in little memory. */
export class Latencies {
  readonly #counts = new Uint32Array(STEPS);
  #count = 0;
  #maxMs = 0;

  add(ms: number): void {
    const step = Math.min(STEPS - 1, Math.max(0, Math.floor(ms / STEP_MS)));
    this.#counts[step] = (this.#counts[step] ?? 0) + 1;
    this.#count++;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  /** In milliseconds; a quantile is the upper end of its step. Zeros for none. */
  get report(): LatencyReport {
    const max = Math.round(this.#maxMs * 10) / 10;
    return { p50: Math.min(max, this.#quantile(0.5)), p99: Math.min(max, this.#quantile(0.99)), max };
  }

  #quantile(share: number): number {
    let left = this.#count * share;
    for (let step = 0; step < STEPS; step++) {
      left -= this.#counts[step] ?? 0;
      if (left <= 0) return Math.round((step + 1) * STEP_MS * 10) / 10;
    }
    return STEPS * STEP_MS;
  }
}
