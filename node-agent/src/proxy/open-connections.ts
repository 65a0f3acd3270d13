import type { WorkloadUid } from '@ambit/mesh/model';

/** How many connections of this worker lead to each workload, or are being opened: what balancing compares. */
export class OpenConnections {
  /** Invariant: no count of zero. */
  readonly #counts = new Map<WorkloadUid, number>();

  count(uid: WorkloadUid): number {
    return this.#counts.get(uid) ?? 0;
  }

  add(uid: WorkloadUid): void {
    this.#counts.set(uid, this.count(uid) + 1);
  }

  /** Once for each `add`. */
  remove(uid: WorkloadUid): void {
    const left = this.count(uid) - 1;
    if (left > 0) this.#counts.set(uid, left);
    else this.#counts.delete(uid);
  }
}
