import type { X509Certificate } from 'node:crypto';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import tls, { type SecureContext, TLSSocket } from 'node:tls';
import { TlsError } from './errors.ts';
import { findTlsInternals, type TlsInternals } from './node-internals.ts';
import { secureContextOptionsOf } from './secure-context.ts';

/** The protocol of every mesh connection. */
export const ALPN_H2 = 'h2';

/** How a handshake ended. The receiver owns `socket` and must give it an `error` listener before it returns. */
export type HandshakeOutcome =
  | {
      readonly kind: 'established';
      readonly socket: TLSSocket;
      /** DER of the peer's leaf, whose chain has been verified. */
      readonly peerCertificate: Buffer;
      /** DER of what else the peer sent, in its order: the authorities between its leaf and the root, if it is honest. */
      readonly peerIssuers: () => readonly Buffer[];
    }
  | { readonly kind: 'failed'; readonly error: TlsError };

export type HandshakeDone = (outcome: HandshakeOutcome) => void;

/** Runs one handshake over a TCP socket that nobody reads from. */
export interface Handshakes {
  /** True when Node lacks the internals of the fast path. Worth a warning at start. */
  readonly isFallback: boolean;
  /**
   * The server's side, on an accepted socket. `done` is called once, later: established means TLS 1.3, `h2` agreed and
   * a client certificate that chains to the context's roots; who the client is stays to be decided. In every other case
   * `raw` is destroyed first. Destroying `raw` gives up. There is no deadline here.
   */
  readonly serve: (raw: Socket, context: SecureContext, done: HandshakeDone) => void;
  /**
   * The client's side; `raw` may still be connecting, and may be something else than a socket that carries bytes. No server name is
   * sent and names are not compared.
   */
  readonly start: (raw: Duplex, context: SecureContext, done: HandshakeDone) => void;
}

/** Handshakes over the given internals, or over Node's public API without them. Use `handshakes`. */
export function createHandshakes(internals: TlsInternals | undefined): Handshakes {
  if (internals === undefined) return { isFallback: true, serve: servePublicly, start: startPublicly };
  const open = (raw: Socket, context: SecureContext, isServer: boolean, done: HandshakeDone): TLSSocket => {
    const attempt = new HandshakeAttempt(raw, done);
    const socket = new TLSSocket(raw, {
      isServer,
      secureContext: context,
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: [ALPN_H2],
    }).on('error', attempt.onError);
    internals.releaseControl(socket);
    socket.once('close', attempt.onClose).once('end', attempt.onClose);
    socket.once('secure', () => attempt.conclude(socket, internals.chainError(socket)));
    return socket;
  };
  return {
    isFallback: false,
    serve: (raw, context, done) => void open(raw, context, true, done),
    start: (raw, context, done) => {
      if (raw instanceof Socket) internals.start(open(raw, context, false, done));
      else startPublicly(raw, context, done);
    },
  };
}

/** The handshakes of this process. */
export const handshakes: Handshakes = createHandshakes(findTlsInternals());

class HandshakeAttempt {
  readonly onError: (cause: Error) => void;
  readonly onClose: () => void;
  readonly #raw: Duplex;
  readonly #done: HandshakeDone;
  #isConcluded = false;

  constructor(raw: Duplex, done: HandshakeDone) {
    this.#raw = raw;
    this.#done = done;
    this.onError = (cause) =>
      this.#fail(new TlsError('handshake-failed', { cause, data: { reason: reasonOf(cause) } }));
    this.onClose = () => this.#fail(new TlsError('handshake-failed', { data: { reason: 'closed' } }));
    raw.on('error', this.onError);
  }

  conclude(socket: TLSSocket, chainError: string | undefined): void {
    if (this.#isConcluded) return;
    // Read here and once: on a client, Node takes the leaf out of the chain when it hands it over.
    const peer = socket.getPeerX509Certificate();
    if (peer === undefined) return this.#refuse(socket, 'no-certificate');
    if (chainError !== undefined) return this.#refuse(socket, chainError);
    if (socket.alpnProtocol !== ALPN_H2) return this.#refuse(socket, 'no-alpn');
    this.#isConcluded = true;
    socket.off('close', this.onClose).off('end', this.onClose).off('error', this.onError);
    this.#done({ kind: 'established', socket, peerCertificate: peer.raw, peerIssuers: () => issuersOf(peer) });
  }

  #refuse(socket: TLSSocket, reason: string): void {
    socket.destroy();
    this.#fail(new TlsError('handshake-refused', { data: { reason } }));
  }

  #fail(error: TlsError): void {
    if (this.#isConcluded) return;
    this.#isConcluded = true;
    this.#raw.destroy();
    this.#done({ kind: 'failed', error });
  }
}

function issuersOf(leaf: X509Certificate): readonly Buffer[] {
  const issuers: Buffer[] = [];
  for (let issuer = leaf.issuerCertificate; issuer !== undefined; issuer = issuer.issuerCertificate) {
    issuers.push(issuer.raw);
  }
  return issuers;
}

/** OpenSSL's and the system's errors carry a code; their message text is for people. */
function reasonOf(cause: Error): string {
  const code: unknown = Reflect.get(cause, 'code');
  return typeof code === 'string' ? code : 'unknown';
}

function startPublicly(raw: Duplex, context: SecureContext, done: HandshakeDone): void {
  const attempt = new HandshakeAttempt(raw, done);
  const socket = tls
    .connect({
      socket: raw,
      secureContext: context,
      servername: '',
      ALPNProtocols: [ALPN_H2],
      checkServerIdentity: () => undefined,
    })
    .on('error', attempt.onError)
    .once('close', attempt.onClose)
    .once('end', attempt.onClose)
    .once('secureConnect', () => attempt.conclude(socket, undefined));
}

function servePublicly(raw: Socket, context: SecureContext, done: HandshakeDone): void {
  const attempt = new HandshakeAttempt(raw, done);
  const server = tls.createServer({
    ...secureContextOptionsOf(context),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: [ALPN_H2],
  });
  server.on('tlsClientError', attempt.onError).on('error', attempt.onError);
  server.on('secureConnection', (socket) => {
    socket.on('error', attempt.onError).once('close', attempt.onClose).once('end', attempt.onClose);
    attempt.conclude(socket, socket.authorized ? undefined : 'UNAUTHORIZED');
  });
  raw.once('close', attempt.onClose);
  server.emit('connection', raw);
}
