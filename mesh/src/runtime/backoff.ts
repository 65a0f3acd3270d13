export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Growth per attempt, at least 1. */
  readonly factor: number;
  /** Share of the delay that is random, 0-1: a delay d becomes d × (1 ± jitter), never above `maxMs`. */
  readonly jitter: number;
}

/** Delays of one retry series. Unbounded in number: who retries decides when to give up. */
export interface Backoff {
  /** The delay before the next attempt, in milliseconds; each call counts as one failed attempt. */
  nextMs(): number;
  /** The next delay is the first one again. */
  reset(): void;
}

/** `random` gives numbers in [0, 1); the same numbers give the same delays. */
export function createBackoff(options: BackoffOptions, random: () => number = Math.random): Backoff {
  const { initialMs, maxMs, factor, jitter } = options;
  if (!(initialMs > 0 && maxMs >= initialMs && factor >= 1 && jitter >= 0 && jitter <= 1)) {
    throw new RangeError('backoff needs 0 < initialMs <= maxMs, factor >= 1 and jitter within 0-1');
  }
  let delayMs = initialMs;
  return {
    nextMs() {
      const spread = 1 + jitter * (2 * random() - 1);
      const result = Math.min(maxMs, delayMs * spread);
      delayMs = Math.min(maxMs, delayMs * factor);
      return result;
    },
    reset() {
      delayMs = initialMs;
    },
  };
}
