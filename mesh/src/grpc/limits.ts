/** Largest message accepted from the controller: a whole mesh in one push (protocol.md 3.1). */
export const RESPONSE_BYTES_MAX: number = 200 * 1024 * 1024;
/** Largest message of a subscriber: the versions of every resource it still holds. */
export const REQUEST_BYTES_MAX: number = 16 * 1024 * 1024;
/** Largest request for a certificate. */
export const UNARY_REQUEST_BYTES_MAX: number = 64 * 1024;
/** By then such a request must be there, from when it is asked for. */
export const UNARY_READ_TIMEOUT_MS = 10_000;
/**
 * Calls at a time, of all callers and of one address, of which it is not known yet who calls, or of whose request to join more
 * is to come. Each may leave up to 64 kB of what it sends with us, read or not.
 */
export const UNREAD_CALLS_MAX = 2048;
export const UNREAD_CALLS_PER_SOURCE_MAX = 256;
/** The same once it is known who calls, of all callers and of one; an agent asks for a few certificates at a time. */
export const ACCEPTED_UNREAD_CALLS_MAX = 2048;
export const ACCEPTED_UNREAD_CALLS_PER_CALLER_MAX = 64;
/** Streams of one connection to our server; an agent uses one for discovery and a few for certificates. */
export const STREAMS_PER_CONNECTION_MAX = 64;
/** Connections to our server: every node twice, with room for restarts. */
export const CONNECTIONS_MAX = 10_000;
/** A connection that has not finished its TLS handshake by then is closed. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A connection on which nobody has proved who calls by then is closed: one look at a token may wait for the API server. */
export const ACCEPT_TIMEOUT_MS = 30_000;
/**
 * Such connections at a time. The mesh of a large cluster that comes back after an outage must fit; of one address the oldest
 * gives way to the newest, for who can prove itself does so at once.
 */
export const UNACCEPTED_MAX = 4096;
export const UNACCEPTED_PER_SOURCE_MAX = 64;
/**
 * Connections of one caller that has proved itself; the oldest gives way. An agent needs two, beside those of before until it
 * is noticed that they are gone.
 */
export const CONNECTIONS_PER_CALLER_MAX = 16;
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
