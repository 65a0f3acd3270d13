/** What compacting a heap has to give back to be worth the compiled code that is lost with it. */
const WORTHWHILE_BYTES: number = 8 * 1024 * 1024;
/** A thread that works less than this share of the time has nothing to lose by a pause of some 50 ms. */
const RESTS_BELOW = 0.01;

/** A thread during the last interval. */
export interface HeapAtRest {
  /** Share of the time in which its event loop worked, 0 to 1. */
  readonly utilization: number;
  /** What its heap holds of the system. */
  readonly heapBytes: number;
  /** The same right after the last compaction. */
  readonly compactedBytes: number;
}

/** Whether to give memory back now. Pure. */
export function decideCompaction({ utilization, heapBytes, compactedBytes }: HeapAtRest): boolean {
  return utilization < RESTS_BELOW && heapBytes - compactedBytes >= WORTHWHILE_BYTES;
}
