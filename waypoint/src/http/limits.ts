/** Every bound of an exchange that is not one of a single message (`Http1Limits`). */
export interface ExchangeLimits {
  /** From the first byte of a request's head to its last. */
  readonly headTimeoutMs: number;
  /** A client's connection without a request, and an exchange in which neither side says anything. */
  readonly idleTimeoutMs: number;
  /** As the first, while connections shall end: long enough for whoever sends requests often. */
  readonly drainIdleMs: number;
  /** What is kept of a request so that it can be sent once more. Longer requests are sent once. */
  readonly replayMaxBytes: number;
  /** How often a request may be sent, or tried to be sent, in all. */
  readonly attemptsMax: number;
  /** What is read and dropped of a request that was answered before its end, before its connection is reset. */
  readonly lingerMaxBytes: number;
  readonly lingerTimeoutMs: number;
}

export const DEFAULT_EXCHANGE_LIMITS: ExchangeLimits = {
  headTimeoutMs: 15_000,
  idleTimeoutMs: 3_600_000,
  drainIdleMs: 2000,
  replayMaxBytes: 16 * 1024,
  attemptsMax: 3,
  lingerMaxBytes: 256 * 1024,
  lingerTimeoutMs: 2000,
};
