import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { HboneError } from './errors.ts';
import type { HboneLimits } from './limits.ts';
import type { HboneConnection, HboneSession, OpenedTunnel, TunnelOpening, TunnelRequest } from './tunnel.ts';

/** What every tunnel connection needs from its surroundings. */
export interface HboneEnvironment {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Replaces single bounds of `DEFAULT_LIMITS`. */
  readonly limits?: Partial<HboneLimits>;
  /** Reads sockets through 'data' events even where Node has the internals of the fast path. Slower; same behaviour. */
  readonly publicApiOnly?: boolean;
}

/**
 * Makes the peer's identity of its certificate (DER), whose chain TLS has verified; throws to refuse the peer. `issuers`
 * gives what the peer sent beside it, in any order it liked.
 */
export type VerifyPeer<Peer> = (certificateDer: Buffer, issuers: () => readonly Buffer[]) => Peer;

export interface AcceptOptions<Peer> extends HboneEnvironment {
  /** Own key, chain and trust roots (mesh/tls); TLS 1.3 only. */
  readonly secureContext: SecureContext;
  readonly verifyPeer: VerifyPeer<Peer>;
  /** Called for each CONNECT; must answer it sooner or later. Other methods are answered 400 without it. */
  readonly onTunnel: (request: TunnelRequest<Peer>) => void;
  /** Once, after a connection that was accepted has ended; `error` is absent when it ended in order. */
  readonly onClose?: (connection: HboneConnection<Peer>, error: HboneError | undefined) => void;
  /** Gives up a handshake that still runs. */
  readonly signal?: AbortSignal;
}

/** What remains of `AcceptOptions` after the handshake. */
export type ServeOptions<Peer> = Omit<AcceptOptions<Peer>, 'secureContext' | 'verifyPeer' | 'signal'>;

export interface ConnectOptions<Peer> extends HboneEnvironment {
  /**
   * Opens the TCP connection (it may still be connecting when returned), or whatever else carries bytes. Owned by the session then.
   */
  readonly openSocket: (signal: AbortSignal) => Duplex | Promise<Duplex>;
  readonly secureContext: SecureContext;
  readonly verifyPeer: VerifyPeer<Peer>;
  readonly onClose?: (session: HboneSession<Peer>, error: HboneError | undefined) => void;
  readonly signal?: AbortSignal;
}

/** What remains of `ConnectOptions` after the handshake. */
export type SessionOptions<Peer> = Omit<ConnectOptions<Peer>, 'openSocket' | 'secureContext' | 'verifyPeer' | 'signal'>;

/** Where a pooled tunnel goes. Equal keys must mean equal source address and identity, expected identities and destination. */
export interface PoolTarget<Peer> {
  readonly key: string;
  readonly openSocket: (signal: AbortSignal) => Socket | Promise<Socket>;
  /** Asked once per new session, so that a rotated SVID is used. */
  readonly secureContext: () => SecureContext;
  readonly verifyPeer: VerifyPeer<Peer>;
}

/** Sessions shared by the tunnels of one captured pod. */
export interface HbonePool<Peer> extends AsyncDisposable {
  readonly sessionCount: number;
  readonly streamCount: number;
  /**
   * Opens a tunnel on a session of the target's key, creating one when none has room (one at a time per key, waiters
   * bounded). A session that turns out to be dead before the answer is replaced once, and one whose peer was silent is asked before
   * it is used. What fails although nobody has heard of it is `isUnheard`.
   * @throws HboneError as `ConnectHbone` and `HboneSession.openTunnel`, or `pool-full`, `draining`.
   */
  openTunnel(target: PoolTarget<Peer>, opening: TunnelOpening, signal?: AbortSignal): Promise<OpenedTunnel<Peer>>;
  /** A session of the target's key that has room, if there is one. It stays the pool's. */
  standing(target: PoolTarget<Peer>): HboneSession<Peer> | undefined;
  /** The same, or the one that `openTunnel` would have to wait for; it rejects as that does. */
  session(target: PoolTarget<Peer>): Promise<HboneSession<Peer>>;
  /** Sessions of matching keys take no new tunnels and close after their last one (SVID rotated). Returns how many. */
  retire(matches: (key: string) => boolean): number;
  /** Closes sessions to matching peers and their tunnels at once (certificate revoked); who waits for a session waits on. Returns how many. */
  cut(matches: (peer: Peer) => boolean, reason: string): number;
  /** No new tunnels; resolves when the last one ended. */
  drain(): Promise<void>;
  /** Closes everything at once. */
  [Symbol.asyncDispose](): Promise<void>;
}
