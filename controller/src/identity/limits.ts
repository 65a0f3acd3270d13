const HOUR_MS = 3_600_000;
const DAY_MS: number = 24 * HOUR_MS;

/** Life of the self-signed authorities. In file mode nothing replaces them but an operator. */
export const ROOT_VALIDITY_MS: number = 3650 * DAY_MS;
/** Life of the intermediate that signs workloads; replaced at half of it. */
export const INTERMEDIATE_VALIDITY_MS: number = 365 * DAY_MS;
/** How long an old and a new root are believed side by side: until every certificate of before is replaced, with room. */
export const TRUST_OVERLAP_MS: number = 2 * DAY_MS;
/** Life of the controller's own server certificate; replaced at half of it. */
export const SERVER_VALIDITY_MS: number = 30 * DAY_MS;
/** Longest and usual life of a workload's certificate. */
export const WORKLOAD_VALIDITY_MS: number = DAY_MS;
/** Life of a node's certificate; the node renews it at half of it, so this bounds how long a controller may be away. */
export const NODE_VALIDITY_MS: number = 7 * DAY_MS;
/** A join token must be used within this. */
export const TOKEN_VALIDITY_MS_MAX: number = HOUR_MS;
export const TOKEN_VALIDITY_MS_MIN = 1000;
/** Tokens that wait to be used. */
export const TOKENS_MAX = 1000;
/** How far a certificate begins before it is issued, for peers whose clock is behind; less for short lives. */
export const BACKDATE_MS_MAX = 60_000;
export const BACKDATE_SHARE = 0.1;

/** Bounds of checking callers' tokens. */
export const TOKEN_LIMITS = {
  /** A token that the API server accepted is not asked about again for this long; a deleted pod is noticed before. */
  acceptedMs: 30_000,
  /** As long when the API server did not answer about one that it accepted before. */
  retryMs: 10_000,
  /** Shorter: a refused caller may become right, for instance when its pod appears. */
  refusedMs: 5000,
  /** How long an accepted token still counts while the API server does not answer. */
  outageMs: 3_600_000,
  /** Deadline of one question. */
  reviewMs: 5000,
  /** How long the bearer of a token that was accepted before waits for the answer; then the one of before counts. */
  patienceMs: 500,
  /** Tokens remembered: two for each subscriber there may be. */
  rememberedMax: 20_000,
  /**
   * Questions at a time about tokens that nobody knows. An API server that hangs holds a connection for each, and of those
   * there are 64 for everything, the leader's Lease among it.
   */
  turns: { turnsMax: 24, waitingMax: 4096, waitingPerMemberMax: 64, waitMs: 5000 },
  /** The same about tokens that were accepted before; for the rest the answer of before counts. */
  againMax: 8,
  /** Questions caused by one address with tokens of no pod that we know. */
  reviewsPerAddress: { burst: 30, perSecond: 5, keysMax: 10_000 },
  /** Questions caused by one address with tokens that name the same pod of ours: those of one agent, two at a time. */
  reviewsPerPod: { burst: 6, perSecond: 0.5, keysMax: 20_000 },
} as const;

/** Bounds of looking into the API server for a pod that our copy does not have. */
export const LIVE_READ_LIMITS = {
  /** Deadline of one look. */
  readMs: 3000,
  /** Looks at a time. */
  underWayMax: 32,
  /** What was not found is not looked for again for this long. */
  absentMs: 1000,
  absentMax: 10_000,
} as const;
