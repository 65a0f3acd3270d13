export interface LatencyCountsOptions {
  readonly stepsPerUs: number;
  /** Slower ones count as this. */
  readonly slowestUs: number;
}

/** How many latencies there were of each length, in steps: however many are added, nothing is allocated. */
export class LatencyCounts {
  readonly #stepsPerUs: number;
  readonly #counts: Uint32Array;
  #total = 0;

  constructor({ stepsPerUs, slowestUs }: LatencyCountsOptions) {
    this.#stepsPerUs = stepsPerUs;
    this.#counts = new Uint32Array(slowestUs * stepsPerUs + 1);
  }

  add(latencyUs: number): void {
    const at = Math.min(this.#counts.length - 1, Math.round(latencyUs * this.#stepsPerUs));
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#total += 1;
  }

  /** What this share of them did not exceed, to the next step. 0 when there were none. */
  percentileUs(share: number): number {
    let left = this.#total * share;
    if (left === 0) return 0;
    const at = this.#counts.findIndex((count) => (left -= count) <= 0);
    return (at < 0 ? this.#counts.length - 1 : at) / this.#stepsPerUs;
  }
}
