type StatusLimit = 'passMs' | 'awayMs' | 'pausePerWork' | 'resyncMs' | 'retryMs' | 'writeGapMs' | 'messageLengthMax';

/** Bounds of the writer of statuses. */
export const STATUS_LIMITS: Readonly<Record<StatusLimit, number>> = {
  /** Between two looks at what changed: what flaps is written at most this often. */
  passMs: 1000,
  /** A node agent may be away this long before it is told: longer than it needs to begin anew, or to find another replica. */
  awayMs: 30_000,
  /** A pause is at least this many times as long as deciding took: in a large mesh status comes later, not the pushes. */
  pausePerWork: 20,
  /** Every object is compared with the API server's this often, whatever we believe. */
  resyncMs: 10 * 60_000,
  /** Until a status that could not be written is tried again. */
  retryMs: 30_000,
  /** Between two objects: a change that meets every policy is no burst for the API server. */
  writeGapMs: 25,
  /** Of a refusal in a condition. */
  messageLengthMax: 2000,
};
