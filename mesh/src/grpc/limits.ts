/** Largest message accepted from the controller: a whole mesh in one push (protocol.md 3.1). */
export const RESPONSE_BYTES_MAX: number = 200 * 1024 * 1024;
/** Largest message a server accepts: the versions of every resource a subscriber still holds. */
export const REQUEST_BYTES_MAX: number = 16 * 1024 * 1024;
/** Streams of one connection to our server; an agent uses one for discovery and a few for certificates. */
export const STREAMS_PER_CONNECTION_MAX = 64;
/** Connections to our server: every node twice, with room for restarts. */
export const CONNECTIONS_MAX = 10_000;
/** A connection that has not finished its TLS handshake by then is closed. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** How long one attempt to reach the controller may take. */
export const CONNECT_TIMEOUT_MS = 10_000;
/**
 * While it waits to reconnect, a channel fails every call at once. Callers have their own backoff, so its is short.
 */
export const RECONNECT_INITIAL_MS = 100;
export const RECONNECT_MAX_MS = 2000;
/** Deadline of a call with one answer. */
export const CALL_TIMEOUT_MS = 20_000;
/** A silent connection is probed after this and given up after the next. Istio's control plane allows no less than 15 s. */
export const KEEPALIVE_INTERVAL_MS = 30_000;
export const KEEPALIVE_TIMEOUT_MS = 10_000;
/** Window of one stream: a large push should not crawl through gRPC's 64 kB. */
export const FLOW_CONTROL_WINDOW_BYTES: number = 1024 * 1024;
