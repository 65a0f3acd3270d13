import {
  CLIENT_PREFACE,
  checkFrameHeader,
  DEFAULT_FRAME_MAX_BYTES,
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  Http2Code,
  Http2Violation,
} from './frame-codec.ts';

/** What a `FrameReader` finds. Buffers are the caller's memory or the reader's: valid during the call only. */
export interface FrameSink {
  /** A frame header was read and is legal; before anything else of that frame. For counting. */
  onFrameHeader(type: number, flags: number, streamId: number, payloadBytes: number): void;
  /** A DATA frame begins. `payloadBytes` includes padding: all of it counts for flow control. */
  onDataBegin(streamId: number, payloadBytes: number): void;
  /** Some payload of the current DATA frame, without padding, as soon as it is there. */
  onDataBytes(buffer: Buffer, start: number, end: number): void;
  /** The current DATA frame is complete. */
  onDataEnd(streamId: number, endStream: boolean): void;
  /** A complete header block, CONTINUATION frames joined, padding and priority removed. */
  onHeaderBlock(streamId: number, block: Buffer, endStream: boolean): void;
  /** Any other complete frame that RFC 9113 knows. */
  onFrame(type: number, flags: number, streamId: number, payload: Buffer): void;
}

export interface FrameReaderLimits {
  readonly frameSizeMaxBytes: number;
  readonly headerBlockMaxBytes: number;
  readonly continuationMax: number;
}

/** Debug data of a GOAWAY beyond this is dropped; it also bounds SETTINGS. */
const CONTROL_PAYLOAD_MAX_BYTES = DEFAULT_FRAME_MAX_BYTES;
/** A HEADERS payload may carry this beside its block: pad length, priority and padding. */
const HEADERS_OVERHEAD_MAX_BYTES = 1 + 5 + 255;

/**
 * Cuts a byte stream into frames, whatever its fragmentation. DATA is handed on piece by piece without copying; other
 * frames are collected, within the limits. Pure: no I/O, no timers.
 */
export class FrameReader {
  private readonly sink: FrameSink;
  private readonly limits: FrameReaderLimits;
  private prefaceLeft: number;
  private readonly header: Buffer = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES);
  private headerFill = 0;
  private inFrame = false;
  private type = 0;
  private flags = 0;
  private streamId = 0;
  /** Payload bytes of the current frame not seen yet, padding excluded once known. */
  private left = 0;
  private padLeft = 0;
  private padKnown = true;
  private settingsSeen = false;
  /** Payload of a control frame that did not arrive in one piece. */
  private collected: Buffer | undefined;
  private collectedFill = 0;
  /** Stream whose header block is being collected; 0: none. Only CONTINUATION may follow then. */
  private blockStreamId = 0;
  private blockEndsStream = false;
  private blockParts: Buffer[] = [];
  private blockBytes = 0;
  /** HEADERS frames that have begun. */
  private headCount = 0;

  constructor(role: 'client' | 'server', sink: FrameSink, limits: FrameReaderLimits) {
    this.sink = sink;
    this.limits = limits;
    this.prefaceLeft = role === 'server' ? CLIENT_PREFACE.length : 0;
  }

  /** Of a frame and a header block that are not complete. */
  get heldBytes(): number {
    return (this.collected?.length ?? 0) + this.blockBytes;
  }

  /** Tells a header block that has begun and is not complete from any other; 0: there is none. */
  get unfinishedHead(): number {
    return this.blockStreamId !== 0 || (this.inFrame && this.type === FrameType.headers) ? this.headCount : 0;
  }

  /**
   * Takes the bytes `[start, end)` of `buffer`.
   * @throws Http2Violation; the reader must not be used after one of the whole connection.
   */
  push(buffer: Buffer, start: number, end: number): void {
    let at = this.prefaceLeft > 0 ? this.readPreface(buffer, start, end) : start;
    while (at < end || (this.inFrame && this.left === 0 && this.padLeft === 0)) {
      if (!this.inFrame) {
        at = this.readHeader(buffer, at, end);
        continue;
      }
      at = this.type === FrameType.data ? this.readData(buffer, at, end) : this.readControl(buffer, at, end);
    }
  }

  private readPreface(buffer: Buffer, start: number, end: number): number {
    const take = Math.min(this.prefaceLeft, end - start);
    const from = CLIENT_PREFACE.length - this.prefaceLeft;
    if (buffer.compare(CLIENT_PREFACE, from, from + take, start, start + take) !== 0) {
      throw new Http2Violation(Http2Code.protocolError, 'no HTTP/2 preface');
    }
    this.prefaceLeft -= take;
    return start + take;
  }

  private readHeader(buffer: Buffer, start: number, end: number): number {
    let source: Uint8Array = buffer;
    let at = start;
    let next = start + FRAME_HEADER_BYTES;
    if (this.headerFill > 0 || next > end) {
      const take = Math.min(FRAME_HEADER_BYTES - this.headerFill, end - start);
      buffer.copy(this.header, this.headerFill, start, start + take);
      this.headerFill += take;
      next = start + take;
      if (this.headerFill < FRAME_HEADER_BYTES) return next;
      this.headerFill = 0;
      source = this.header;
      at = 0;
    }
    const payloadBytes = ((source[at] ?? 0) << 16) | ((source[at + 1] ?? 0) << 8) | (source[at + 2] ?? 0);
    this.type = source[at + 3] ?? 0;
    this.flags = source[at + 4] ?? 0;
    this.streamId =
      (((source[at + 5] ?? 0) & 0x7f) << 24) |
      ((source[at + 6] ?? 0) << 16) |
      ((source[at + 7] ?? 0) << 8) |
      (source[at + 8] ?? 0);
    this.beginFrame(payloadBytes);
    return next;
  }

  private beginFrame(payloadBytes: number): void {
    const { type, flags, streamId } = this;
    if (payloadBytes > this.limits.frameSizeMaxBytes) {
      throw new Http2Violation(Http2Code.frameSizeError, 'frame over MAX_FRAME_SIZE');
    }
    this.checkOrder();
    checkFrameHeader(type, payloadBytes, streamId, flags);
    this.checkBound(payloadBytes);
    this.sink.onFrameHeader(type, flags, streamId, payloadBytes);
    this.inFrame = true;
    this.left = payloadBytes;
    this.padLeft = 0;
    this.padKnown = true;
    if (type === FrameType.headers) this.headCount += 1;
    if (type !== FrameType.data) return;
    this.sink.onDataBegin(streamId, payloadBytes);
    if ((flags & FrameFlag.padded) !== 0) {
      if (payloadBytes === 0) throw new Http2Violation(Http2Code.frameSizeError, 'padded frame without pad length');
      this.padKnown = false;
    }
  }

  private checkOrder(): void {
    const { type, streamId } = this;
    if (!this.settingsSeen) {
      if (type !== FrameType.settings || (this.flags & FrameFlag.ack) !== 0) {
        throw new Http2Violation(Http2Code.protocolError, 'first frame is not SETTINGS');
      }
      this.settingsSeen = true;
    }
    if (this.blockStreamId !== 0) {
      if (type !== FrameType.continuation || streamId !== this.blockStreamId) {
        throw new Http2Violation(Http2Code.protocolError, 'header block interrupted');
      }
    } else if (type === FrameType.continuation) {
      throw new Http2Violation(Http2Code.protocolError, 'CONTINUATION without header block');
    }
  }

  private checkBound(payloadBytes: number): void {
    switch (this.type) {
      case FrameType.headers:
      case FrameType.continuation:
        if (this.blockBytes + payloadBytes > this.limits.headerBlockMaxBytes + HEADERS_OVERHEAD_MAX_BYTES) {
          throw new Http2Violation(Http2Code.enhanceYourCalm, 'header block too large');
        }
        if (this.blockParts.length > this.limits.continuationMax) {
          throw new Http2Violation(Http2Code.enhanceYourCalm, 'too many CONTINUATION frames');
        }
        break;
      case FrameType.settings:
      case FrameType.goaway:
        if (payloadBytes > CONTROL_PAYLOAD_MAX_BYTES) {
          throw new Http2Violation(Http2Code.enhanceYourCalm, 'control frame too large');
        }
        break;
      default:
        break;
    }
  }

  private readData(buffer: Buffer, start: number, end: number): number {
    let at = start;
    if (!this.padKnown) {
      // Only reached with at < end: `left` counts the pad length byte.
      const padBytes = buffer[at] ?? 0;
      at += 1;
      this.left -= 1;
      if (padBytes > this.left) throw new Http2Violation(Http2Code.protocolError, 'padding exceeds the frame');
      this.left -= padBytes;
      this.padLeft = padBytes;
      this.padKnown = true;
    }
    const take = Math.min(this.left, end - at);
    if (take > 0) {
      this.left -= take;
      this.sink.onDataBytes(buffer, at, at + take);
      at += take;
    }
    if (this.left === 0) {
      const skip = Math.min(this.padLeft, end - at);
      this.padLeft -= skip;
      at += skip;
      if (this.padLeft === 0) {
        this.inFrame = false;
        this.sink.onDataEnd(this.streamId, (this.flags & FrameFlag.endStream) !== 0);
      }
    }
    return at;
  }

  private readControl(buffer: Buffer, start: number, end: number): number {
    const take = Math.min(this.left, end - start);
    const known = this.type <= FrameType.continuation;
    let payload: Buffer | undefined;
    if (known && (this.collected !== undefined || take < this.left)) {
      this.collected ??= Buffer.allocUnsafeSlow(this.left);
      buffer.copy(this.collected, this.collectedFill, start, start + take);
      this.collectedFill += take;
      payload = this.collected;
    }
    this.left -= take;
    if (this.left > 0) return start + take;
    this.inFrame = false;
    this.collected = undefined;
    this.collectedFill = 0;
    if (known) this.completeControl(payload ?? buffer.subarray(start, start + take));
    return start + take;
  }

  private completeControl(payload: Buffer): void {
    const { type, flags, streamId } = this;
    if (type === FrameType.headers) {
      this.blockEndsStream = (flags & FrameFlag.endStream) !== 0;
      this.addBlock(stripHeadersPayload(payload, flags), (flags & FrameFlag.endHeaders) !== 0);
    } else if (type === FrameType.continuation) {
      this.addBlock(payload, (flags & FrameFlag.endHeaders) !== 0);
    } else {
      this.sink.onFrame(type, flags, streamId, payload);
    }
  }

  private addBlock(fragment: Buffer, last: boolean): void {
    const { streamId } = this;
    this.blockBytes += fragment.length;
    if (this.blockBytes > this.limits.headerBlockMaxBytes) {
      throw new Http2Violation(Http2Code.enhanceYourCalm, 'header block too large');
    }
    if (!last) {
      this.blockStreamId = streamId;
      this.blockParts.push(Buffer.from(fragment));
      return;
    }
    let block = fragment;
    if (this.blockStreamId !== 0) {
      this.blockParts.push(fragment);
      block = Buffer.concat(this.blockParts);
    }
    this.blockStreamId = 0;
    this.blockParts = [];
    this.blockBytes = 0;
    this.sink.onHeaderBlock(streamId, block, this.blockEndsStream);
  }
}

function stripHeadersPayload(payload: Buffer, flags: number): Buffer {
  let start = 0;
  let end = payload.length;
  if ((flags & FrameFlag.padded) !== 0) {
    if (end === 0) throw new Http2Violation(Http2Code.frameSizeError, 'padded frame without pad length');
    end -= payload[0] ?? 0;
    start = 1;
  }
  if ((flags & FrameFlag.priority) !== 0) start += 5;
  if (start > end) throw new Http2Violation(Http2Code.protocolError, 'padding exceeds the frame');
  return payload.subarray(start, end);
}
