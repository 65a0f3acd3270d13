import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../runtime/clock.ts';
import type { HandshakeDone, HandshakeOutcome } from '../tls/handshake.ts';
import type { VerifyPeer } from './contract.ts';
import { HboneError } from './errors.ts';

export interface SecureSocketOptions<Peer, Result> {
  /** Owned from now on; may still be connecting. */
  readonly raw: Duplex;
  /** Starts the handshake over `raw`. */
  readonly begin: (done: HandshakeDone) => void;
  readonly verifyPeer: VerifyPeer<Peer>;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Takes over the secured socket, in the same turn. */
  readonly use: (socket: TLSSocket, peer: Peer) => Result;
}

/**
 * Runs a handshake with a deadline and verifies the peer.
 * @throws HboneError `connect`, `tls`, `identity`, `timeout`, `aborted`; the socket is destroyed then.
 */
export function secureSocket<Peer, Result>(options: SecureSocketOptions<Peer, Result>): Promise<Result> {
  const { raw, clock, signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  let settled = false;
  let phase: 'connect' | 'tls' = raw instanceof Socket && raw.connecting ? 'connect' : 'tls';
  raw.once('connect', () => {
    phase = 'tls';
  });
  const fail = (error: HboneError): void => {
    if (settled) return;
    settle();
    raw.destroy();
    reject(error);
  };
  const onAbort = (): void => fail(new HboneError('aborted', { cause: signal?.reason }));
  const deadline = clock.setTimer(options.timeoutMs, () => fail(new HboneError('timeout', { data: { phase } })));
  const settle = (): void => {
    settled = true;
    deadline[Symbol.dispose]();
    signal?.removeEventListener('abort', onAbort);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  options.begin((outcome: HandshakeOutcome) => {
    if (outcome.kind === 'failed') {
      fail(new HboneError(phase, { cause: outcome.error, data: { reason: outcome.error.data['reason'] } }));
      return;
    }
    const { socket, peerCertificate, peerIssuers } = outcome;
    if (settled) {
      socket.on('error', () => {}).destroy();
      return;
    }
    let peer: Peer;
    try {
      peer = options.verifyPeer(peerCertificate, peerIssuers);
    } catch (cause) {
      socket.on('error', () => {}).destroy();
      fail(new HboneError('identity', { cause }));
      return;
    }
    settle();
    resolve(options.use(socket, peer));
  });
  if (signal?.aborted === true) onAbort();
  return promise;
}
