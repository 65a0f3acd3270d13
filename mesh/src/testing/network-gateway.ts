import type { Socket } from 'node:net';
import { acceptHbone } from '../hbone/server.ts';
import type { TunnelRequest } from '../hbone/tunnel.ts';
import { parseSocketAddress, type SocketAddress } from '../model/address.ts';
import { DEFAULT_TRUST_DOMAIN, type SpiffeId } from '../model/spiffe-id.ts';
import { createTrustDomains } from '../model/trust-domains.ts';
import { systemClock } from '../runtime/clock.ts';
import { silentLogger } from '../runtime/logger.ts';
import { secureContextOf } from '../tls/secure-context.ts';
import type { Svid } from '../tls/svid.ts';
import { clientVerifier } from '../tls/verify-peer.ts';

/** What a tunnel asked a gateway for. */
export interface AskedOfGateway {
  readonly authority: string;
  readonly peer: SpiffeId;
  /** Of `x-forwarded-network`. */
  readonly network: string | undefined;
}

export interface NetworkGatewayOptions {
  readonly svid: Svid;
  /** `ip:port` that gets the bytes within a tunnel of this authority; null refuses it. */
  readonly route: (authority: string) => string | null;
  /** Opens a connection there; it may still be connecting. */
  readonly dial: (address: SocketAddress) => Socket;
  readonly onAsked: (asked: AskedOfGateway) => void;
}

/**
 * The gateway of a network, for tests: ends the outer tunnel and hands the bytes within it on, unread. Unlike a real one it chooses nothing by
 * itself, checks nobody but for the trust domain, and bounds nothing.
 */
export class NetworkGateway implements Disposable {
  readonly #options: NetworkGatewayOptions;
  readonly #sockets = new Set<Socket>();
  /** TLS connections it was given. */
  connectionCount = 0;

  constructor(options: NetworkGatewayOptions) {
    this.#options = options;
  }

  /** Takes over an accepted, paused socket. */
  accept(socket: Socket): void {
    this.connectionCount++;
    acceptHbone<SpiffeId>(this.#own(socket), {
      ...{ clock: systemClock, logger: silentLogger },
      secureContext: secureContextOf(this.#options.svid),
      verifyPeer: clientVerifier({ domains: createTrustDomains(DEFAULT_TRUST_DOMAIN) }),
      onTunnel: (request) => this.#relay(request),
    }).catch(() => {});
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #relay(request: TunnelRequest<SpiffeId>): void {
    const { authority, connection } = request;
    const { route, dial, onAsked } = this.#options;
    onAsked({ authority, peer: connection.peer, network: request.header('x-forwarded-network') });
    const to = route(authority);
    if (to === null) return request.reject(503);
    const socket = this.#own(dial(parseSocketAddress(to))).pause();
    socket.allowHalfOpen = true;
    socket.once('connect', () => {
      if (request.aborted) socket.destroy();
      else request.accept().splice(socket, () => {});
    });
  }

  #own(socket: Socket): Socket {
    this.#sockets.add(socket);
    return socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket));
  }
}
