import net, { type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import {
  acceptHbone,
  HandshakeLimit,
  type HboneConnection,
  HboneError,
  type HboneEnvironment,
  type TunnelRequest,
  type TunnelStream,
} from '@ambit/mesh/hbone';
import { type IpAddress, parseIpAddress } from '@ambit/mesh/model';
import {
  isRevocation,
  REVOKED_TEXT,
  secureContextOf,
  type Svid,
  type TunnelPeer,
  type TunnelPeers,
  validUntilMs,
} from '@ambit/mesh/tls';
import { type Authority, FORWARDED_NETWORK_HEADER, parseAuthority } from '@ambit/mesh/wire';
import { clientCertificate } from '../http/client-certificate.ts';
import type { Caller } from '../http/pipeline.ts';
import { LISTENER_SOCKETS_MAX } from './limits.ts';

/** Why a tunnel, or the connection that would carry it, was refused. */
export type TunnelRefusal =
  | 'handshake'
  | 'too-many-handshakes'
  | 'too-many-connections'
  | 'no-memory'
  | 'no-certificate'
  | 'peer-expired'
  | 'peer-revoked'
  | 'invalid-authority'
  | 'unknown-address'
  | 'unknown-hostname'
  | 'unknown-port'
  | 'no-route'
  | 'faulty-route'
  | 'access-denied'
  | 'policy-missing';

/** What becomes of a tunnel: refused for a reason, or taken by whoever answers `accept`. */
export type TunnelVerdict =
  | { readonly kind: 'refused'; readonly reason: TunnelRefusal }
  | { readonly kind: 'accepted'; readonly serve: (stream: TunnelStream) => void };

export function accepted(serve: (stream: TunnelStream) => void): TunnelVerdict {
  return { kind: 'accepted', serve };
}

export interface HboneListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly environment: HboneEnvironment;
  /** Who is let in. */
  readonly peers: Pick<TunnelPeers, 'verifyClient' | 'isRevoked' | 'rejections'>;
  /** The one that this is in. */
  readonly network: string;
  /** Servers are told who the client is. */
  readonly forwardsClientCertificate: boolean;
  readonly svid: () => Svid | undefined;
  /** Synchronous: what it needs is there or the tunnel is refused. */
  readonly decide: (caller: Caller, authority: Authority) => TunnelVerdict;
  readonly onRefused: (reason: TunnelRefusal) => void;
  /** No further connection is taken. */
  readonly isMemoryShort: () => boolean;
}

const BACKLOG = 4096;

/** Port 15008: mutual TLS, then a decision per tunnel. Several workers may listen on the same address. */
export class HboneListener implements AsyncDisposable {
  readonly #options: HboneListenerOptions;
  readonly #server: Server;
  readonly #connections = new Set<HboneConnection<TunnelPeer>>();
  readonly #abort = new AbortController();
  readonly #handshakes = new HandshakeLimit();
  #draining = false;

  constructor(options: HboneListenerOptions) {
    this.#options = options;
    this.#server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      this.#accept(socket.on('error', () => {})),
    );
  }

  async open(): Promise<void> {
    const { host, port } = this.#options;
    this.#server.listen({ host, port, backlog: BACKLOG, reusePort: true });
    await once(this.#server, 'listening');
  }

  get address(): { readonly host: string; readonly port: number } {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null
      ? { host: address.address, port: address.port }
      : { host: this.#options.host, port: 0 };
  }

  /** Connections, and those that are to be. */
  get openCount(): number {
    return this.#connections.size + this.#handshakes.pending;
  }

  /** Ends up to so many connections without tunnels at once, the oldest first, and says how many. Their clients open others when they need them. */
  closeIdle(countMax: number): number {
    const idle = [...this.#connections].filter(({ streamCount }) => streamCount === 0).slice(0, Math.max(0, countMax));
    for (const connection of idle) connection.destroy(new HboneError('draining'));
    return idle.length;
  }

  /** Ends connections of matching peers at once, with all in them. Returns how many. */
  cut(matches: (peer: TunnelPeer) => boolean): number {
    const matching = [...this.#connections].filter(({ peer }) => matches(peer));
    for (const connection of matching) {
      this.#options.onRefused('peer-revoked');
      connection.destroy(new HboneError('cut', { data: { reason: REVOKED_TEXT } }));
    }
    return matching.length;
  }

  /** Accepts nothing new; connections that there are take no new tunnels and close after their last one. */
  drain(): void {
    this.#draining = true;
    this.#server.close();
    for (const connection of this.#connections) connection.drain();
  }

  /** Closes everything at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    for (const connection of [...this.#connections]) connection.destroy(new HboneError('draining'));
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    const svid = this.#options.svid();
    const refuse = (reason: TunnelRefusal): void => {
      this.#options.onRefused(reason);
      socket.destroy();
    };
    const address = addressOf(socket);
    if (address === null) socket.destroy();
    else if (svid === undefined) refuse('no-certificate');
    else if (this.#options.isMemoryShort()) refuse('no-memory');
    else if (this.#connections.size >= LISTENER_SOCKETS_MAX) refuse('too-many-connections');
    else if (!this.#handshakes.enter(address)) refuse('too-many-handshakes');
    else void this.#serve(socket, address, svid);
  }

  async #serve(socket: Socket, address: IpAddress, svid: Svid): Promise<void> {
    const { environment, peers, forwardsClientCertificate } = this.#options;
    let caller: Caller = { identity: null, address };
    let peerUntilMs = 0;
    try {
      const connection = await acceptHbone<TunnelPeer>(socket, {
        ...environment,
        secureContext: secureContextOf(svid),
        verifyPeer: (certificate, issuers) => {
          peerUntilMs = validUntilMs(certificate);
          return peers.verifyClient(certificate, issuers);
        },
        onTunnel: (request) => {
          // TLS has looked at certificates once, when the connection began; it may outlive them, its new tunnels may not.
          if (environment.clock.now() >= peerUntilMs || this.#options.svid() === undefined) {
            this.#reject(request, 'peer-expired');
            request.connection.drain();
            return;
          }
          if (caller.identity === null) {
            const { id: identity, aliases } = request.connection.peer;
            const certificate = forwardsClientCertificate ? clientCertificate(svid.id, identity) : null;
            caller = { identity, aliases, address, ...(certificate === null ? {} : { certificate }) };
          }
          this.#answer(request, this.#isFar(request) ? { ...caller, isFar: true } : caller);
        },
        onClose: (closed) => this.#connections.delete(closed),
        signal: this.#abort.signal,
      });
      if (connection.state === 'closed') return;
      this.#connections.add(connection);
      // A list may have come between the handshake and now.
      if (peers.isRevoked(connection.peer))
        peers.rejections.destination += this.cut((peer) => peer === connection.peer);
      else if (this.#draining) connection.drain();
    } catch (error) {
      // A peer that only looked whether the port is open is not worth counting.
      if (error instanceof HboneError && error.code === 'aborted') return;
      this.#options.onRefused(error instanceof Error && isRevocation(error) ? 'peer-revoked' : 'handshake');
    } finally {
      this.#handshakes.leave(address);
    }
  }

  #isFar(request: TunnelRequest<TunnelPeer>): boolean {
    const from = request.header(FORWARDED_NETWORK_HEADER);
    return from !== undefined && from !== this.#options.network;
  }

  #answer(request: TunnelRequest<TunnelPeer>, caller: Caller): void {
    const verdict = this.#decide(caller, request.authority);
    if (verdict.kind === 'accepted') {
      verdict.serve(request.accept());
      return;
    }
    this.#reject(request, verdict.reason);
  }

  #reject(request: TunnelRequest<TunnelPeer>, reason: TunnelRefusal): void {
    this.#options.onRefused(reason);
    request.reject(statusOf(reason));
  }

  #decide(caller: Caller, text: string): TunnelVerdict {
    let authority: Authority;
    try {
      authority = parseAuthority(text);
    } catch {
      return { kind: 'refused', reason: 'invalid-authority' };
    }
    return this.#options.decide(caller, authority);
  }
}

/** As node agents have it (protocol.md 1.3): 401 for what policy refuses. */
function statusOf(reason: TunnelRefusal): number {
  switch (reason) {
    case 'invalid-authority':
      return 400;
    case 'access-denied':
    case 'policy-missing':
      return 401;
    default:
      return 503;
  }
}

/** Null when the peer is gone already. */
export function addressOf(socket: Socket): IpAddress | null {
  const text = socket.remoteAddress;
  return text === undefined ? null : parseIpAddress(text.split('%')[0] ?? text);
}
