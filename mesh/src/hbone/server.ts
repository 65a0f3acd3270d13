import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { bug } from '../runtime/errors.ts';
import { handshakes } from '../tls/handshake.ts';
import { matchConnect } from './connect-headers.ts';
import { Connection, type ConnectionProfile } from './connection.ts';
import type { AcceptOptions, ServeOptions } from './contract.ts';
import { HboneError } from './errors.ts';
import { Http2Code } from './frame-codec.ts';
import type { DecodedHeaders } from './hpack-decoder.ts';
import { encodedBytesMax, encodeFields, encodeStatus, STATUS_BYTES_MAX } from './hpack-encoder.ts';
import { DEFAULT_LIMITS, type HboneLimits } from './limits.ts';
import { readInternals } from './node-internals.ts';
import { secureSocket } from './secure-socket.ts';
import type { Stream, StreamObserver } from './stream.ts';
import type { HboneConnection, HeaderList, TunnelRequest, TunnelStream } from './tunnel.ts';
import { ConnectTunnel } from './tunnel-stream.ts';

/**
 * Serves HBONE on an accepted TCP socket (not read from yet: `pauseOnConnect`), owns it from now on. Resolves after the
 * handshake and the peer's verification; requests may arrive before the promise's reaction runs.
 * @throws HboneError `tls`, `identity`, `timeout`, `aborted`; the socket is closed then.
 */
export function acceptHbone<Peer>(socket: Socket, options: AcceptOptions<Peer>): Promise<HboneConnection<Peer>> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  socket.setNoDelay(true);
  return secureSocket<Peer, HboneConnection<Peer>>({
    raw: socket,
    begin: (done) => handshakes.serve(socket, options.secureContext, done),
    verifyPeer: options.verifyPeer,
    clock: options.clock,
    timeoutMs: limits.handshakeTimeoutMs,
    signal: options.signal,
    use: (secured, peer) => {
      const connection = new ServerConnection(secured, peer, options, limits);
      connection.start();
      return connection;
    },
  });
}

/** The server's side of CONNECT on one connection. Call `start` once. */
export class ServerConnection<Peer> implements HboneConnection<Peer>, ConnectionProfile {
  readonly peer: Peer;
  private readonly connection: Connection;
  private readonly options: ServeOptions<Peer>;

  constructor(socket: Duplex, peer: Peer, options: ServeOptions<Peer>, limits: HboneLimits) {
    this.peer = peer;
    this.options = options;
    this.connection = new Connection({
      role: 'server',
      socket,
      limits,
      headerListMaxBytes: limits.headerListMaxBytes,
      clock: options.clock,
      logger: options.logger,
      profile: this,
      internals: options.publicApiOnly === true ? undefined : readInternals,
    });
  }

  start(): void {
    this.connection.start();
  }

  get state(): 'open' | 'draining' | 'closed' {
    const { state } = this.connection;
    return state === 'closing' ? 'closed' : state;
  }

  get streamCount(): number {
    return this.connection.streams.size;
  }

  get channelBinding(): string | undefined {
    return this.connection.channelBinding;
  }

  hold(onLost: (error: HboneError) => void): Disposable {
    return this.connection.holds.add(onLost);
  }

  drain(): void {
    this.connection.drain();
  }

  destroy(reason: HboneError): void {
    this.connection.fail(reason, Http2Code.noError);
  }

  onRequest(stream: Stream, headers: DecodedHeaders): void {
    const verdict = matchConnect(headers);
    switch (verdict.kind) {
      case 'connect': {
        const request = new ConnectRequest(this, stream, verdict.authority, verdict.headers);
        stream.observer = request;
        this.options.onTunnel(request);
        break;
      }
      case 'refused':
        this.connection.guardAgainst('reset');
        answer(stream, verdict.status, [], true);
        break;
      case 'malformed':
        this.connection.guardAgainst('reset');
        stream.abortWith(
          Http2Code.protocolError,
          new HboneError('protocol', { data: { rule: verdict.rule, http2Code: Http2Code.protocolError } }),
        );
        break;
    }
  }

  onCapacity(): void {
    // A server waits for nobody.
  }

  onClose(error: HboneError | undefined): void {
    this.options.onClose?.(this, error);
  }
}

class ConnectRequest<Peer> implements TunnelRequest<Peer>, StreamObserver {
  readonly connection: HboneConnection<Peer>;
  readonly authority: string;
  readonly headers: HeaderList;
  readonly isLocal: boolean = false;
  answered = false;
  private readonly stream: Stream;
  private abortCallback: (() => void) | undefined;

  constructor(connection: HboneConnection<Peer>, stream: Stream, authority: string, headers: HeaderList) {
    this.connection = connection;
    this.stream = stream;
    this.authority = authority;
    this.headers = headers;
  }

  get aborted(): boolean {
    return this.stream.closed && !this.answered;
  }

  header(name: string): string | undefined {
    return this.headers.find((field) => field[0] === name)?.[1];
  }

  onAborted(callback: () => void): void {
    this.abortCallback = callback;
  }

  accept(headers: HeaderList = []): TunnelStream {
    this.markAnswered();
    if (!this.stream.closed) answer(this.stream, 200, headers, false);
    return new ConnectTunnel(this.stream);
  }

  reject(status: number, headers: HeaderList = []): void {
    this.markAnswered();
    if (!this.stream.closed) answer(this.stream, status, headers, true);
  }

  onHeaders(stream: Stream, headers: DecodedHeaders, endStream: boolean): void {
    answeredStream.onHeaders(stream, headers, endStream);
  }

  onFailed(): void {
    if (!this.answered) this.abortCallback?.();
  }

  private markAnswered(): void {
    if (this.answered) bug('a tunnel request was answered twice');
    this.answered = true;
    this.abortCallback = undefined;
    // A tunnel lives long: it need not keep its request and headers.
    this.stream.observer = answeredStream;
  }
}

function answer(stream: Stream, status: number, headers: HeaderList, endStream: boolean): void {
  const { connection } = stream;
  stream.answered = true;
  connection.sendHeaders(stream, endStream, STATUS_BYTES_MAX + encodedBytesMax(headers), (target, offset) =>
    encodeFields(target, encodeStatus(target, offset, status), headers),
  );
  if (!endStream) return;
  // Should the client not let go of the stream it was refused, the connection will.
  stream.overdueFromMs = connection.clock.monotonic();
  stream.endedWithHeaders();
}

/**
 * Observes streams whose answer has been given. Trailers carry nothing for a tunnel; ones that do not end the stream are
 * malformed (RFC 9113 8.1).
 */
export const answeredStream: StreamObserver = {
  onHeaders(stream, _headers, endStream) {
    if (endStream) return;
    const data = { rule: 'trailers without END_STREAM', http2Code: Http2Code.protocolError };
    stream.abortWith(Http2Code.protocolError, new HboneError('protocol', { data }));
  },
  onFailed() {
    // Whoever takes the tunnel will hear of it.
  },
};
