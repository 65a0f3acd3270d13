import type { ByteLink } from './byte-link.ts';
import type { Connection, HeaderDecoder } from './connection.ts';
import { HboneError } from './errors.ts';
import { receiveOnConnection } from './flow-control.ts';
import {
  encodePing,
  FRAME_SETTINGS_ACK,
  FrameFlag,
  FrameType,
  Http2Code,
  Http2Violation,
  parseSettings,
  readUint32,
  type Setting,
  STREAM_ID_MAX,
} from './frame-codec.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { RecordReader } from './record-reader.ts';
import { isQuietReset, Stream } from './stream.ts';

/** Reads a connection: bytes to frames to what they mean for streams and windows (RFC 9113 sections 5 and 6). */
export class ConnectionInput implements FrameSink {
  private readonly connection: Connection;
  private readonly records = new RecordReader((memory, start, end) => this.take(memory, start, end));
  private readonly frames: FrameReader;
  private readonly headers: HeaderDecoder;
  /** Stream of the current DATA frame; undefined when it is closed. */
  private dataStream: Stream | undefined;
  /** Bytes of the current DATA frame that no sink answers for: padding, or everything on a closed stream. */
  private unclaimedBytes = 0;
  private dataSeen = false;
  private stopped = false;

  constructor(connection: Connection, headers: HeaderDecoder) {
    this.connection = connection;
    const { limits } = connection;
    this.frames = new FrameReader(connection.role, this, limits);
    this.headers = headers;
  }

  /** Of a frame and a header block that are not complete. */
  get heldBytes(): number {
    return this.frames.heldBytes;
  }

  /** As of `FrameReader`. */
  get unfinishedHead(): number {
    return this.frames.unfinishedHead;
  }

  /** Begins to read `socket`. */
  start(socket: ByteLink): void {
    this.records.start(socket, this.connection.internals);
  }

  /** The stream is over: nothing more is delivered to it. */
  forget(stream: Stream): void {
    if (this.dataStream === stream) this.dataStream = undefined;
  }

  onFrameHeader(type: number): void {
    // WINDOW_UPDATE goes with data, however often; what RST_STREAM means is seen in onReset.
    const isCounted = type > FrameType.headers && type !== FrameType.windowUpdate && type !== FrameType.rstStream;
    if (isCounted) this.connection.guardAgainst('control');
  }

  onDataBegin(streamId: number, payloadBytes: number): void {
    const { connection } = this;
    receiveOnConnection(connection.receiveWindow, payloadBytes);
    this.unclaimedBytes = payloadBytes;
    this.dataSeen = false;
    let stream = connection.streams.get(streamId);
    if (stream === undefined) this.checkClosed(streamId);
    else if (stream.remoteEnded) stream = this.refuse(stream, Http2Code.streamClosed, 'DATA after END_STREAM');
    else if (!stream.receive(payloadBytes)) stream = this.refuse(stream, Http2Code.flowControlError, 'window overrun');
    this.dataStream = stream;
  }

  onDataBytes(buffer: Buffer, start: number, end: number): void {
    this.dataSeen = true;
    if (this.dataStream === undefined) return;
    this.unclaimedBytes -= end - start;
    this.records.deliver(this.dataStream, buffer, start, end);
  }

  onDataEnd(_streamId: number, endStream: boolean): void {
    if (!this.dataSeen && !endStream) this.connection.guardAgainst('empty-data');
    this.records.flush();
    const stream = this.dataStream;
    this.dataStream = undefined;
    if (this.unclaimedBytes > 0) {
      if (stream === undefined) this.connection.release(this.unclaimedBytes);
      else stream.release(this.unclaimedBytes);
    }
    if (endStream) stream?.endRemote();
  }

  onHeaderBlock(streamId: number, block: Buffer, endStream: boolean): void {
    const { connection } = this;
    const headers = this.headers.decode(block);
    const stream = connection.streams.get(streamId);
    if (stream !== undefined) {
      if (stream.remoteEnded) this.refuse(stream, Http2Code.streamClosed, 'HEADERS after END_STREAM');
      else stream.observer?.onHeaders(stream, headers, endStream);
      if (endStream) stream.endRemote();
      return;
    }
    if (connection.role === 'client' || (streamId & 1) === 0 || streamId <= connection.lastPeerStreamId) {
      this.checkClosed(streamId);
      return;
    }
    connection.lastPeerStreamId = streamId;
    if (!connection.acceptsStreams || connection.streams.size >= connection.limits.serverStreamsMax) {
      connection.writer.control(FrameType.rstStream, streamId, Http2Code.refusedStream);
      connection.noteLocalReset(streamId);
      connection.guardAgainst('reset');
      return;
    }
    const opened = new Stream(connection, streamId);
    connection.streams.set(streamId, opened);
    connection.profile.onRequest(opened, headers, endStream);
    if (endStream) opened.endRemote();
  }

  onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    switch (type) {
      case FrameType.rstStream:
        this.onReset(streamId, readUint32(payload, 0));
        break;
      case FrameType.settings:
        if ((flags & FrameFlag.ack) !== 0) break;
        this.onSettings(parseSettings(payload));
        break;
      case FrameType.ping:
        if ((flags & FrameFlag.ack) === 0) this.connection.writer.frame(encodePing(payload, true));
        else this.connection.onPingAck(payload);
        break;
      case FrameType.goaway:
        this.connection.onGoaway(readUint32(payload, 0) & STREAM_ID_MAX, readUint32(payload, 4));
        break;
      case FrameType.windowUpdate:
        this.onWindowUpdate(streamId, readUint32(payload, 0) & STREAM_ID_MAX);
        break;
      default:
        break;
    }
  }

  private take(memory: Buffer, start: number, end: number): void {
    const { connection } = this;
    if (this.stopped) return;
    connection.noteAlive();
    try {
      this.frames.push(memory, start, end);
      if (connection.writer.waitingControlBytes > connection.limits.unsentControlMaxBytes) {
        throw new Http2Violation(Http2Code.enhanceYourCalm, 'peer asks without reading');
      }
    } catch (error) {
      if (!(error instanceof Http2Violation)) throw error;
      this.stopped = true;
      const { rule, http2Code } = error;
      const code = http2Code === Http2Code.enhanceYourCalm ? 'flood' : 'protocol';
      connection.fail(new HboneError(code, { data: { rule, http2Code } }), http2Code);
    }
    if (connection.state === 'closing' || connection.state === 'closed') this.stopped = true;
  }

  private onSettings(settings: readonly Setting[]): void {
    const { connection } = this;
    // First, so that all that is sent by the new settings comes behind it.
    connection.writer.frame(FRAME_SETTINGS_ACK);
    connection.profile.onSettings?.(settings);
    connection.applySettings(settings);
  }

  private onReset(streamId: number, http2Code: number): void {
    const stream = this.connection.streams.get(streamId);
    if (stream === undefined) {
      this.checkNotIdle(streamId);
      this.connection.guardAgainst('control');
      return;
    }
    this.records.flush();
    // The reset of an answered stream is the end of a connection that was really made, and they may come by the thousand.
    if (this.connection.role === 'server' && !stream.answered) this.connection.guardAgainst('reset');
    stream.fail(new HboneError('reset', { data: { http2Code, quiet: isQuietReset(http2Code) } }));
  }

  private onWindowUpdate(streamId: number, increment: number): void {
    const { connection } = this;
    if (streamId === 0) {
      if (increment === 0) throw new Http2Violation(Http2Code.protocolError, 'WINDOW_UPDATE of 0');
      if (!connection.sendWindow.grant(increment)) {
        throw new Http2Violation(Http2Code.flowControlError, 'connection window overflow');
      }
      connection.drainWaiting();
      return;
    }
    const stream = connection.streams.get(streamId);
    if (stream === undefined) this.checkNotIdle(streamId);
    else if (increment === 0) this.refuse(stream, Http2Code.protocolError, 'WINDOW_UPDATE of 0');
    else if (!stream.sendWindow.grant(increment)) this.refuse(stream, Http2Code.flowControlError, 'window overflow');
    else if (stream.isSendBlocked) stream.drainQueue();
  }

  /** A stream error: resets the stream, tells its sink. */
  private refuse(stream: Stream, http2Code: number, rule: string): undefined {
    stream.abortWith(http2Code, new HboneError('protocol', { data: { rule, http2Code } }));
  }

  /** DATA or HEADERS on a stream that is not open: fine only when our reset crossed it. */
  private checkClosed(streamId: number): void {
    this.checkNotIdle(streamId);
    if (!this.connection.wasResetLocally(streamId)) {
      throw new Http2Violation(Http2Code.streamClosed, 'frame on a closed stream');
    }
  }

  private checkNotIdle(streamId: number): void {
    if (this.connection.isIdle(streamId)) throw new Http2Violation(Http2Code.protocolError, 'frame on an idle stream');
  }
}
