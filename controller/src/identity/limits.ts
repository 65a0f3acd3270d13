const HOUR_MS = 3_600_000;
const DAY_MS: number = 24 * HOUR_MS;

/** Life of the self-signed authorities; nothing replaces them but an operator. */
export const ROOT_VALIDITY_MS: number = 3650 * DAY_MS;
/** Life of the intermediate that signs workloads; replaced at half of it. */
export const INTERMEDIATE_VALIDITY_MS: number = 365 * DAY_MS;
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
