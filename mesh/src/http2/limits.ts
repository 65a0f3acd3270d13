import { DEFAULT_LIMITS as CONNECTION_LIMITS, type HboneLimits } from '../hbone/limits.ts';

/**
 * Every bound of HTTP/2. Those of the connection are the framer's; of what is there for tunnels (handshakes, pools)
 * nothing is used. How long an exchange may take is its owner's business: `answerTimeoutMs` is not used either.
 */
export interface Http2Limits extends HboneLimits {
  /** Beyond it the method is one that nobody implements. */
  readonly methodMaxBytes: number;
  readonly pathMaxBytes: number;
  /** Interim (1xx) responses before the final one. */
  readonly interimCountMax: number;
  /** What may wait for a peer that does not read before requests of its are refused. */
  readonly unsentMaxBytes: number;
  /** A client's `pingIntervalMs`: gRPC's servers end connections that ask more often than every five minutes. */
  readonly clientPingIntervalMs: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_LIMITS: Http2Limits = {
  ...CONNECTION_LIMITS,
  // Below it lies a tunnel's own window, so this need not span the way to the peer many times.
  streamWindowBytes: MIB,
  connectionWindowBytes: 4 * MIB,
  // Larger frames would save little, and hold up every other stream of the connection.
  frameSizeMaxBytes: 64 * KIB,
  serverStreamsMax: 200,
  clientStreamsMax: 200,
  // Heads of responses count among what is not payload.
  unsentControlMaxBytes: MIB,
  methodMaxBytes: 32,
  pathMaxBytes: 8 * KIB,
  interimCountMax: 32,
  unsentMaxBytes: 4 * MIB,
  pingIntervalMs: 30_000,
  clientPingIntervalMs: 360_000,
};

/** A header list that decodes to this many times what it may is no mistake: the connection ends. */
export const EXPANSION_FACTOR_MAX = 4;
