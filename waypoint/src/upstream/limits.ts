/** Bounds of the connections to one endpoint. */
export interface UpstreamLimits {
  /** Beyond it requests wait for a connection to become free. */
  readonly connectionsMax: number;
  /** Requests that may wait; beyond it they are refused. */
  readonly waitersMax: number;
  /** A connection that nobody needed for so long is closed: before its server would, if it can be. */
  readonly idleTimeoutMs: number;
  /** After so many requests a connection is closed, so that endpoints that are new get their share. */
  readonly requestsMax: number;
  /** Of a connection on its way, TLS included, whoever wants it. */
  readonly connectTimeoutMs: number;
}

export const DEFAULT_UPSTREAM_LIMITS: UpstreamLimits = {
  connectionsMax: 1024,
  waitersMax: 1024,
  idleTimeoutMs: 60_000,
  requestsMax: 1_000_000,
  connectTimeoutMs: 10_000,
};
