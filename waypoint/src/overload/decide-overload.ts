/** A moment of one data worker. */
export interface OverloadSample {
  /** Memory in use, as a share of what there is. */
  readonly memoryShare: number;
  /** How much later than asked for its event loop came to a timer. */
  readonly lagMs: number;
}

export interface OverloadState {
  /** Memory is short: everything new is refused. */
  readonly isMemoryShort: boolean;
  /** Share of new requests that is refused because the event loop lags. */
  readonly refusedShare: number;
  /** Samples in a row whose lag was too long. */
  readonly lateCount: number;
}

/** Between `Enter` and `Leave` everything stays as it is, so that it does not go back and forth. */
export interface OverloadLimits {
  readonly memoryEnter: number;
  readonly memoryLeave: number;
  readonly lagEnterMs: number;
  readonly lagLeaveMs: number;
  /** So many late samples in a row count: a single one is a collection of garbage. */
  readonly lateCountMin: number;
  /** What every late sample adds to the share, and what every one in time takes off it. */
  readonly shareStep: number;
  readonly shareRelief: number;
  /** Some are always let through, or nobody would see that it is over. */
  readonly shareMax: number;
}

export const DEFAULT_OVERLOAD_LIMITS: OverloadLimits = {
  memoryEnter: 0.95,
  memoryLeave: 0.85,
  lagEnterMs: 200,
  lagLeaveMs: 50,
  lateCountMin: 3,
  shareStep: 0.2,
  shareRelief: 0.05,
  shareMax: 0.9,
};

export const NO_OVERLOAD: OverloadState = { isMemoryShort: false, refusedShare: 0, lateCount: 0 };

/**
 * What is refused from now on. Memory is all or nothing, since what is over is killed; with a lagging loop just as much is refused
 * as brings it back in time: the share grows while it lags and shrinks while it does not.
 */
export function decideOverload(state: OverloadState, sample: OverloadSample, limits: OverloadLimits): OverloadState {
  const { memoryShare, lagMs } = sample;
  const isMemoryShort = state.isMemoryShort ? memoryShare > limits.memoryLeave : memoryShare >= limits.memoryEnter;
  if (lagMs >= limits.lagEnterMs) {
    const lateCount = Math.min(state.lateCount + 1, limits.lateCountMin);
    const isLate = lateCount >= limits.lateCountMin;
    const refusedShare = isLate ? Math.min(state.refusedShare + limits.shareStep, limits.shareMax) : state.refusedShare;
    return { isMemoryShort, refusedShare, lateCount };
  }
  if (lagMs > limits.lagLeaveMs) return { isMemoryShort, refusedShare: state.refusedShare, lateCount: 0 };
  const left = state.refusedShare - limits.shareRelief;
  // Steps are no exact fractions: what is left of them is none.
  return { isMemoryShort, refusedShare: left < limits.shareRelief / 2 ? 0 : left, lateCount: 0 };
}
