import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { handshakes } from '../tls/handshake.ts';
import { matchAnswer } from './connect-headers.ts';
import { Connection, type ConnectionProfile } from './connection.ts';
import type { ConnectOptions, SessionOptions } from './contract.ts';
import type { EarlyPayload } from './early-payload.ts';
import { HboneError } from './errors.ts';
import { DEFAULT_FRAME_MAX_BYTES, Http2Code } from './frame-codec.ts';
import type { DecodedHeaders } from './hpack-decoder.ts';
import { CONNECT_BYTES_MAX, encodeConnect, encodedBytesMax, encodeFields } from './hpack-encoder.ts';
import { CLIENT_HEADER_LIST_MAX_BYTES, DEFAULT_LIMITS, type HboneLimits } from './limits.ts';
import { readInternals } from './node-internals.ts';
import { secureSocket } from './secure-socket.ts';
import { answeredStream } from './server.ts';
import type { Stream, StreamObserver } from './stream.ts';
import type { HboneSession, OpenedTunnel, TunnelOpening } from './tunnel.ts';
import { ConnectTunnel } from './tunnel-stream.ts';

/**
 * Opens one HBONE connection. Most callers use a pool.
 * @throws HboneError `connect`, `timeout`, `tls`, `identity`, `aborted`.
 */
export function connectHbone<Peer>(options: ConnectOptions<Peer>): Promise<HboneSession<Peer>> {
  return openSession(options, () => {});
}

/**
 * As `connectHbone`; `onCapacity` is called when a stream ended or the peer changed how many it takes. Until the peer has
 * said how many it takes, `expectedStreamsMax` counts.
 */
export async function openSession<Peer>(
  options: ConnectOptions<Peer>,
  onCapacity: (session: HboneSession<Peer>) => void,
  expectedStreamsMax?: number,
): Promise<HboneSession<Peer>> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { clock } = options;
  const startMs = clock.monotonic();
  const raw = await openSocket(options, limits.connectTimeoutMs);
  if (raw instanceof Socket) raw.setNoDelay(true);
  return secureSocket<Peer, HboneSession<Peer>>({
    raw,
    begin: (done) => handshakes.start(raw, options.secureContext, done),
    verifyPeer: options.verifyPeer,
    clock,
    timeoutMs: Math.max(0, limits.connectTimeoutMs - (clock.monotonic() - startMs)),
    signal: options.signal,
    use: (secured, peer) => {
      // Writing past the stream of a socket is for those that stand on TCP: here it would come back to us within the very call.
      const session = new ClientSession(
        secured,
        peer,
        raw instanceof Socket ? options : { ...options, publicApiOnly: true },
        limits,
        onCapacity,
        expectedStreamsMax,
      );
      session.start();
      return session;
    },
  });
}

async function openSocket<Peer>(options: ConnectOptions<Peer>, timeoutMs: number): Promise<Duplex> {
  const deadline = new AbortController();
  const timer = options.clock.setTimer(timeoutMs, () =>
    deadline.abort(new HboneError('timeout', { data: { phase: 'open' } })),
  );
  const signal = options.signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, options.signal]);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  let opening: Promise<Duplex> | undefined;
  try {
    opening = Promise.resolve(options.openSocket(signal));
    return await Promise.race([opening, aborted]);
  } catch (cause) {
    // A socket that comes too late has nobody to own it.
    opening?.then(
      (late) => late.on('error', () => {}).destroy(),
      () => {},
    );
    if (cause instanceof HboneError) throw cause;
    throw new HboneError(signal.aborted ? 'aborted' : 'connect', { cause });
  } finally {
    timer[Symbol.dispose]();
    signal.removeEventListener('abort', onAbort);
  }
}

/** The client's side of CONNECT on one connection. Call `start` once. */
export class ClientSession<Peer> implements HboneSession<Peer>, ConnectionProfile {
  readonly peer: Peer;
  private readonly connection: Connection;
  private readonly options: SessionOptions<Peer>;
  private readonly limits: HboneLimits;
  private readonly capacityCallback: (session: HboneSession<Peer>) => void;
  private readonly expectedStreamsMax: number;
  private answeredMs: number;

  constructor(
    socket: Duplex,
    peer: Peer,
    options: SessionOptions<Peer>,
    limits: HboneLimits,
    onCapacity: (session: HboneSession<Peer>) => void,
    expectedStreamsMax: number = Number.POSITIVE_INFINITY,
  ) {
    this.peer = peer;
    this.expectedStreamsMax = expectedStreamsMax;
    this.options = options;
    this.limits = limits;
    this.answeredMs = options.clock.monotonic();
    this.capacityCallback = onCapacity;
    this.connection = new Connection({
      role: 'client',
      socket,
      limits,
      headerListMaxBytes: Math.min(limits.headerListMaxBytes, CLIENT_HEADER_LIST_MAX_BYTES),
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

  get freeStreamCount(): number {
    if (this.connection.state !== 'open') return 0;
    const streamsMax = this.peerStreamsMax ?? this.expectedStreamsMax;
    return Math.max(0, Math.min(this.limits.clientStreamsMax, streamsMax) - this.streamCount);
  }

  get peerStreamsMax(): number | undefined {
    return this.connection.peerSettingsSeen ? this.connection.peerStreamsMax : undefined;
  }

  get isUsed(): boolean {
    return this.streamCount > 0 || this.connection.holds.count > 0;
  }

  get channelBinding(): string | undefined {
    return this.connection.channelBinding;
  }

  get peerAnsweredMs(): number {
    return this.connection.check.lastAnswerMs;
  }

  get heardMs(): number {
    return Math.max(this.answeredMs, this.peerAnsweredMs);
  }

  /** The peer answered a request. */
  noteAnswer(): void {
    this.answeredMs = this.options.clock.monotonic();
  }

  askPeer(timeoutMs: number): Promise<boolean> {
    return this.connection.check.ask(timeoutMs);
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

  openTunnel(opening: TunnelOpening, signal?: AbortSignal, early?: EarlyPayload): Promise<OpenedTunnel<Peer>> {
    if (signal?.aborted === true) return Promise.reject(new HboneError('aborted', { cause: signal.reason }));
    const { authority, headers } = opening;
    const blockMaxBytes = CONNECT_BYTES_MAX + authority.length + encodedBytesMax(headers);
    if (blockMaxBytes >= DEFAULT_FRAME_MAX_BYTES) {
      return Promise.reject(new HboneError('protocol', { data: { rule: 'request headers over one frame' } }));
    }
    const stream = this.freeStreamCount > 0 ? this.connection.openStream() : undefined;
    if (stream === undefined) {
      const { state } = this;
      return Promise.reject(new HboneError(state === 'closed' ? 'closed' : 'draining', { data: { state } }));
    }
    return new Promise((resolve, reject) => {
      stream.observer = new PendingTunnel(stream, this, resolve, reject, signal);
      const encode = (target: Buffer, offset: number): number =>
        encodeFields(target, encodeConnect(target, offset, authority), headers);
      this.connection.sendHeaders(stream, false, blockMaxBytes, encode, early !== undefined);
      early?.sendOn(stream);
    });
  }

  onRequest(stream: Stream): void {
    stream.abort(Http2Code.protocolError);
  }

  onCapacity(): void {
    this.capacityCallback(this);
  }

  onClose(error: HboneError | undefined): void {
    this.options.onClose?.(this, error);
    this.capacityCallback(this);
  }
}

/** A request on its way to an answer. */
class PendingTunnel<Peer> implements StreamObserver {
  private readonly stream: Stream;
  private readonly session: ClientSession<Peer>;
  private readonly resolve: (tunnel: OpenedTunnel<Peer>) => void;
  private readonly reject: (error: HboneError) => void;
  private readonly signal: AbortSignal | undefined;

  constructor(
    stream: Stream,
    session: ClientSession<Peer>,
    resolve: (tunnel: OpenedTunnel<Peer>) => void,
    reject: (error: HboneError) => void,
    signal: AbortSignal | undefined,
  ) {
    this.stream = stream;
    this.session = session;
    this.resolve = resolve;
    this.reject = reject;
    this.signal = signal;
    signal?.addEventListener('abort', this.onAbort, { once: true });
  }

  onHeaders(_stream: Stream, decoded: DecodedHeaders, endStream: boolean): void {
    const verdict = matchAnswer(decoded);
    switch (verdict.kind) {
      case 'interim':
        if (endStream) this.giveUp(Http2Code.protocolError, 'interim answer ends the stream');
        break;
      case 'malformed':
        this.giveUp(Http2Code.protocolError, verdict.rule);
        break;
      case 'final':
        this.onFinal(verdict.status, verdict.headers);
        break;
    }
  }

  onFailed(_stream: Stream, error: HboneError): void {
    this.settle();
    this.reject(error);
  }

  private onFinal(status: number, headers: OpenedTunnel<Peer>['headers']): void {
    const { stream, session } = this;
    this.settle();
    session.noteAnswer();
    stream.answered = true;
    // A tunnel lives long: it need not keep what waited for its answer.
    stream.observer = answeredStream;
    if (status === 200) {
      this.resolve({ stream: new ConnectTunnel(stream), peer: session.peer, headers });
      return;
    }
    stream.abort(Http2Code.cancel);
    this.reject(new HboneError('refused-status', { data: { status } }));
  }

  private giveUp(http2Code: number, rule: string): void {
    this.stream.abortWith(http2Code, new HboneError('protocol', { data: { rule, http2Code } }));
  }

  private readonly onAbort = (): void => {
    this.stream.abortWith(Http2Code.cancel, new HboneError('aborted', { cause: this.signal?.reason }));
  };

  private settle(): void {
    this.stream.overdueFromMs = Number.POSITIVE_INFINITY;
    this.signal?.removeEventListener('abort', this.onAbort);
  }
}
