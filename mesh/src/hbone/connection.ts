import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { AbuseGuard, type AbuseKind } from './abuse-guard.ts';
import type { ByteLink } from './byte-link.ts';
import { channelBindingOf } from './channel-binding.ts';
import { ConnectionInput } from './connection-input.ts';
import { ConnectionWriter } from './connection-writer.ts';
import { HboneError } from './errors.ts';
import { ReceiveWindow, SendWindow } from './flow-control.ts';
import {
  CLIENT_PREFACE,
  DEFAULT_FRAME_MAX_BYTES,
  DEFAULT_WINDOW_BYTES,
  encodeGoaway,
  encodePing,
  encodeSettings,
  encodeWindowUpdate,
  FrameType,
  Http2Code,
  Http2Violation,
  type Setting,
  SettingId,
  STREAM_ID_MAX,
} from './frame-codec.ts';
import { type DecodedHeaders, HpackDecoder } from './hpack-decoder.ts';
import { Holds } from './holds.ts';
import { Keepalive } from './keepalive.ts';
import type { HboneLimits } from './limits.ts';
import { type ReadInternals, warnWithoutInternals, writeInternals } from './node-internals.ts';
import { PeerCheck } from './peer-check.ts';
import { headerScratch } from './read-memory.ts';
import { Stream } from './stream.ts';

/** What is done with streams: CONNECT tunnels are one profile. */
export interface ConnectionProfile {
  /** Server: the peer opened `stream`; the answer is owed. `endStream`: it will send nothing more on it. */
  onRequest(stream: Stream, headers: DecodedHeaders, endStream: boolean): void;
  /** The peer's settings, after their acknowledgement: from now on they hold. */
  onSettings?(settings: readonly Setting[]): void;
  /** A stream ended, or the peer changed what it allows. */
  onCapacity(): void;
  /** Once, last. `error` is absent when the connection ended in order. */
  onClose(error: HboneError | undefined): void;
}

/** Decodes header blocks in order of arrival. */
export interface HeaderDecoder {
  decode(block: Buffer): DecodedHeaders;
}

export interface ConnectionOptions {
  readonly role: 'client' | 'server';
  /** A TLS socket after its handshake, or another link. Owned from now on. */
  readonly socket: ByteLink;
  readonly limits: HboneLimits;
  readonly headerListMaxBytes: number;
  /** A decoder of the profile's own. */
  readonly decoder?: HeaderDecoder;
  /** Announced beside the settings that every connection has. */
  readonly settings?: readonly Setting[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly profile: ConnectionProfile;
  /** How sockets are read: undefined means through 'data' events. */
  readonly internals: ReadInternals | undefined;
}

/** Streams that we reset and whose late frames are no breach. */
const LOCAL_RESETS_MAX = 1024;
/** How long a GOAWAY has to leave before the socket is closed under it. */
const CLOSE_GRACE_MS = 1000;
/** PING payloads tell a drain's round trip and a check from keepalive. */
const PING_KEEPALIVE = 1;
const PING_DRAIN = 2;
const PING_CHECK = 3;

/**
 * One HTTP/2 connection over a TLS socket: settings, streams, windows, keepalive, shutdown. What comes in is in
 * `ConnectionInput`, what goes out in `ConnectionWriter`, what it means in the profile.
 *
 *   open --drain() or GOAWAY--> draining --last stream ended, or an error--> closing --socket closed--> closed
 */
export class Connection {
  readonly role: 'client' | 'server';
  readonly limits: HboneLimits;
  readonly clock: Clock;
  readonly internals: ReadInternals | undefined;
  readonly writer: ConnectionWriter;
  readonly streams: Map<number, Stream> = new Map();
  /** Streams with payload that waits for credit. */
  readonly waitingStreams: Set<Stream> = new Set();
  readonly sendWindow: SendWindow = new SendWindow(DEFAULT_WINDOW_BYTES);
  readonly receiveWindow: ReceiveWindow;
  readonly profile: ConnectionProfile;
  peerInitialWindowBytes: number = DEFAULT_WINDOW_BYTES;
  peerFrameMaxBytes: number = DEFAULT_FRAME_MAX_BYTES;
  /** Unlimited until the peer says otherwise (RFC 9113 6.5.2). */
  peerStreamsMax: number = Number.POSITIVE_INFINITY;
  peerSettingsSeen = false;
  /** Highest stream the peer has opened. */
  lastPeerStreamId = 0;
  state: 'open' | 'draining' | 'closing' | 'closed' = 'open';
  readonly check: PeerCheck;
  readonly holds: Holds = new Holds(() => {
    this.closeIfDrained();
    this.profile.onCapacity();
  });
  private readonly socket: ByteLink;
  private readonly logger: Logger;
  private readonly guard: AbuseGuard;
  private readonly keepalive: Keepalive;
  private readonly input: ConnectionInput;
  private readonly localResets = new Set<number>();
  private nextStreamId = 1;
  private firstBlockSent = false;
  private refusesStreams = false;
  private failure: HboneError | undefined;

  constructor(options: ConnectionOptions) {
    const { socket, limits } = options;
    this.role = options.role;
    this.socket = socket;
    this.limits = limits;
    this.clock = options.clock;
    this.internals = options.internals;
    this.logger = options.logger;
    warnWithoutInternals(options.logger);
    this.profile = options.profile;
    this.guard = new AbuseGuard(limits);
    this.receiveWindow = new ReceiveWindow(limits.connectionWindowBytes, limits.connectionWindowBytes >>> 2);
    this.writer = new ConnectionWriter(socket, options.internals === undefined ? undefined : writeInternals);
    this.keepalive = new Keepalive({
      clock: options.clock,
      intervalMs: limits.pingIntervalMs,
      timeoutMs: limits.pingTimeoutMs,
      ping: () => this.writer.frame(encodePing(PING_KEEPALIVE, false)),
      onDead: () => this.fail(new HboneError('keepalive'), Http2Code.noError),
      onTick: () => this.expireUnanswered(),
    });
    this.check = new PeerCheck(options.clock, () => this.writer.frame(encodePing(PING_CHECK, false)));
    socket.on('error', (cause) => this.onSocketGone(cause));
    socket.on('close', () => this.onSocketGone(undefined));
    socket.on('end', () => this.onSocketEnd());
    const { headerListMaxBytes, decoder, settings } = options;
    this.sendPreface(headerListMaxBytes, settings ?? []);
    this.input = new ConnectionInput(
      this,
      decoder ?? new HpackDecoder({ ...limits, headerListMaxBytes }, headerScratch),
    );
  }

  /** Of what waits for a peer that does not read, and of frames and header blocks that are not complete. */
  get heldBytes(): number {
    return this.writer.waitingBytes + this.input.heldBytes;
  }

  /** As of `FrameReader`. */
  get unfinishedHead(): number {
    return this.input.unfinishedHead;
  }

  /** Begins to read; the profile may be called from now on. */
  start(): void {
    this.input.start(this.socket);
  }

  /** A stream of our own, or undefined when the connection takes no more. */
  openStream(): Stream | undefined {
    if (this.state !== 'open' || this.nextStreamId > STREAM_ID_MAX) return undefined;
    const stream = new Stream(this, this.nextStreamId);
    this.nextStreamId += 2;
    stream.overdueFromMs = this.clock.monotonic();
    this.streams.set(stream.id, stream);
    return stream;
  }

  /** As of `HboneConnection`. */
  get channelBinding(): string | undefined {
    return channelBindingOf(this.socket);
  }

  /** Sends a header block on `stream`; see `ConnectionWriter.headers`. */
  sendHeaders(
    stream: Stream,
    endStream: boolean,
    blockMaxBytes: number,
    encode: (target: Buffer, offset: number) => number,
    more = false,
  ): void {
    if (this.firstBlockSent) {
      this.writer.headers(stream.id, endStream, blockMaxBytes, encode, more);
      return;
    }
    this.firstBlockSent = true;
    // RFC 7541 4.2: says once and for all that our encoder keeps no table, whatever size the peer allows.
    this.writer.headers(stream.id, endStream, blockMaxBytes + 1, (target, offset) => {
      target[offset] = TABLE_SIZE_ZERO;
      return encode(target, offset + 1);
    });
  }

  /** For a stream: it is over. */
  forget(stream: Stream): void {
    this.streams.delete(stream.id);
    this.waitingStreams.delete(stream);
    this.input.forget(stream);
    this.closeIfDrained();
    this.profile.onCapacity();
  }

  /** For a stream: frames of the peer that cross our reset are no breach. */
  noteLocalReset(streamId: number): void {
    this.localResets.add(streamId);
    if (this.localResets.size <= LOCAL_RESETS_MAX) return;
    for (const oldest of this.localResets) {
      this.localResets.delete(oldest);
      break;
    }
  }

  wasResetLocally(streamId: number): boolean {
    return this.localResets.has(streamId);
  }

  /** Gives back credit of the connection. */
  release(bytes: number): void {
    const increment = this.receiveWindow.release(bytes);
    if (increment > 0) this.writer.control(FrameType.windowUpdate, 0, increment);
  }

  /** Counts an event that a peer could flood us with. @throws Http2Violation ENHANCE_YOUR_CALM. */
  guardAgainst(kind: AbuseKind): void {
    if (!this.guard.admit(kind, this.clock.monotonic())) {
      throw new Http2Violation(Http2Code.enhanceYourCalm, `flood of ${kind} events`);
    }
  }

  /** True for a stream that neither side has opened yet. */
  isIdle(streamId: number): boolean {
    const ours = (streamId & 1) === (this.role === 'client' ? 1 : 0);
    return ours ? this.role === 'server' || streamId >= this.nextStreamId : streamId > this.lastPeerStreamId;
  }

  /** The peer has said something. */
  noteAlive(): void {
    this.keepalive.alive();
  }

  get acceptsStreams(): boolean {
    return !this.refusesStreams;
  }

  /** Takes no new streams and ends after the last one; a server first lets streams in that are on their way. */
  drain(): void {
    if (this.state !== 'open') return;
    this.state = 'draining';
    if (this.role === 'server') {
      this.writer.frame(encodeGoaway(STREAM_ID_MAX, Http2Code.noError));
      this.writer.frame(encodePing(PING_DRAIN, false));
    } else {
      this.refuseStreams();
    }
  }

  /** Ends everything at once; the peer is told `http2Code`. */
  fail(error: HboneError, http2Code: number): void {
    if (this.state === 'closing' || this.state === 'closed') return;
    if (error.code !== 'aborted') this.logger.debug('tunnel connection ended', { error });
    this.writer.frame(encodeGoaway(this.lastPeerStreamId, http2Code));
    this.close(error);
  }

  onPingAck(payload: Buffer): void {
    if (payload[7] === PING_DRAIN && this.state === 'draining') this.refuseStreams();
    else if (payload[7] === PING_CHECK) this.check.answered();
  }

  onGoaway(lastStreamId: number, http2Code: number): void {
    if (this.state === 'open') this.state = 'draining';
    for (const stream of [...this.streams.values()]) {
      const ours = (stream.id & 1) === (this.role === 'client' ? 1 : 0);
      if (ours && stream.id > lastStreamId) stream.fail(new HboneError('goaway', { data: { http2Code } }));
    }
    this.profile.onCapacity();
    this.closeIfDrained();
  }

  /** @throws Http2Violation when a window overflows. */
  applySettings(settings: readonly Setting[]): void {
    this.peerSettingsSeen = true;
    for (const [id, value] of settings) {
      if (id === SettingId.initialWindowSize) this.resizeWindows(value);
      else if (id === SettingId.maxFrameSize) this.peerFrameMaxBytes = Math.min(value, this.limits.frameSizeMaxBytes);
      else if (id === SettingId.maxConcurrentStreams) this.peerStreamsMax = value;
    }
    this.drainWaiting();
    this.profile.onCapacity();
  }

  /** Credit of the connection grew. */
  drainWaiting(): void {
    for (const stream of [...this.waitingStreams]) stream.drainQueue();
  }

  private resizeWindows(initialBytes: number): void {
    const delta = initialBytes - this.peerInitialWindowBytes;
    this.peerInitialWindowBytes = initialBytes;
    for (const stream of this.streams.values()) {
      if (!stream.sendWindow.grant(delta)) {
        throw new Http2Violation(Http2Code.flowControlError, 'INITIAL_WINDOW_SIZE overflows a window');
      }
    }
  }

  private sendPreface(headerListMaxBytes: number, settings: readonly Setting[]): void {
    const { limits, role } = this;
    if (role === 'client') this.writer.frame(CLIENT_PREFACE);
    this.writer.frame(
      encodeSettings([
        role === 'client' ? [SettingId.enablePush, 0] : [SettingId.maxConcurrentStreams, limits.serverStreamsMax],
        [SettingId.initialWindowSize, limits.streamWindowBytes],
        [SettingId.maxFrameSize, limits.frameSizeMaxBytes],
        [SettingId.maxHeaderListSize, headerListMaxBytes],
        ...settings,
      ]),
    );
    if (limits.connectionWindowBytes > DEFAULT_WINDOW_BYTES) {
      this.writer.frame(encodeWindowUpdate(0, limits.connectionWindowBytes - DEFAULT_WINDOW_BYTES));
    }
  }

  private refuseStreams(): void {
    if (this.refusesStreams) return;
    this.refusesStreams = true;
    this.writer.frame(encodeGoaway(this.lastPeerStreamId, Http2Code.noError));
    this.closeIfDrained();
  }

  private closeIfDrained(): void {
    if (this.state !== 'draining' || this.streams.size > 0 || this.holds.count > 0) return;
    if (this.role === 'server' && !this.refusesStreams) return;
    this.close(undefined);
  }

  private close(error: HboneError | undefined): void {
    this.state = 'closing';
    this.failure = error;
    this.failStreams(error ?? new HboneError('closed'));
    this.writer.end();
    // The peer may never read what is left: then the socket goes all the same.
    this.clock.setTimer(CLOSE_GRACE_MS, () => this.socket.destroy());
  }

  private failStreams(error: HboneError): void {
    for (const stream of [...this.streams.values()]) stream.fail(error);
    this.holds.lose(error);
  }

  private onSocketEnd(): void {
    // Half a connection is of no use to HTTP/2.
    if (this.state === 'open' || this.state === 'draining') {
      this.state = 'closing';
      const orderly = this.streams.size === 0 && this.holds.count === 0;
      if (!orderly) this.failure = new HboneError('closed');
      this.failStreams(new HboneError('closed'));
    }
    this.socket.destroy();
  }

  private onSocketGone(cause: Error | undefined): void {
    if (this.state === 'closed') return;
    const wasClosing = this.state === 'closing';
    this.state = 'closed';
    if (!wasClosing) this.failure = new HboneError('closed', cause === undefined ? {} : { cause });
    this.keepalive[Symbol.dispose]();
    this.check[Symbol.dispose]();
    this.writer.close();
    this.failStreams(this.failure ?? new HboneError('closed'));
    this.socket.destroy();
    this.profile.onClose(this.failure);
  }

  /** A peer that never answers, or never lets go of a stream that was refused, must not hold us for ever. */
  private expireUnanswered(): void {
    const beforeMs = this.clock.monotonic() - this.limits.answerTimeoutMs;
    for (const stream of [...this.streams.values()]) {
      if (stream.overdueFromMs > beforeMs) continue;
      stream.abortWith(Http2Code.cancel, new HboneError('timeout', { data: { phase: 'answer' } }));
    }
  }
}

const TABLE_SIZE_ZERO = 0x20;
