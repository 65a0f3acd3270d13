import { FRAME_HEADER_BYTES, FrameFlag, FrameType, Http2Violation, STREAM_ID_MAX } from '../hbone/frame-codec.ts';
import { OBSERVE_LIMITS } from './contract.ts';
import { HeaderFollower } from './header-follower.ts';
import { wordsOf } from './words.ts';

const SETTING_BYTES = 6;
const HEADER_TABLE_SIZE = 1;
const PRIORITY_BYTES = 5;
const PROMISED_STREAM_BYTES = 4;
const NOTHING: Buffer = Buffer.alloc(0);
/** Header blocks that come in pieces beyond this are not worth keeping memory for. */
const KEPT_BLOCK_BYTES = 4096;

/** What one direction of HTTP/2 means for whoever pairs requests with answers. */
export interface FrameOwner {
  /** A header block of a stream is complete; `headers` holds what it says. `endStream`: nothing follows in this direction. */
  onHeaders(follower: FrameFollower, streamId: number, headers: HeaderFollower, endStream: boolean): void;
  /** DATA that ends its direction. */
  onEndStream(follower: FrameFollower, streamId: number): void;
  onReset(streamId: number): void;
  /** The other direction may use a table of HPACK of up to `bytes`. */
  onTableSize(follower: FrameFollower, bytes: number): void;
}

/**
 * Follows the frames of one direction of HTTP/2 (RFC 9113). Payload is passed over, header blocks are read where they lie, and only
 * what is cut is held until it is complete.
 */
export class FrameFollower {
  /** Frames stopped making sense; the first one was none of HTTP/2's when `isHttp2` is false. */
  isBroken = false;
  isHttp2 = false;
  private readonly owner: FrameOwner;
  private readonly headers: HeaderFollower = new HeaderFollower();
  /** Of the current frame: how much of its header is there, and what that says. */
  private headerBytes = 0;
  private length = 0;
  private type = 0;
  private flags = 0;
  private streamId = 0;
  /** Of the current payload. */
  private remaining = 0;
  /** Of the entry of SETTINGS that is being read. */
  private settingBytes = 0;
  private settingId = 0;
  private settingValue = 0;
  /** A header block that is not complete: what earlier frames said of it, then what there is of this frame. */
  private held: Buffer = NOTHING;
  private blockBytes = 0;
  private frameBytes = 0;
  /** Stream and flags of the HEADERS whose CONTINUATION must follow; stream 0 when none must. */
  private openStream = 0;
  private openEndsStream = false;
  private openIsPromise = false;

  constructor(owner: FrameOwner) {
    this.owner = owner;
  }

  /** Entries of HPACK's table that take memory, those that are gone and not forgotten yet included. */
  get tableEntries(): number {
    return this.headers.entryCount;
  }

  announceTable(bytes: number): void {
    this.headers.announce(bytes);
  }

  push(memory: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && !this.isBroken) {
      if (this.headerBytes < FRAME_HEADER_BYTES) {
        at = this.readFrameHeader(memory, at, end);
        if (this.headerBytes < FRAME_HEADER_BYTES) return;
        this.beginFrame();
      }
      if (this.isBroken) return;
      const taken = Math.min(this.remaining, end - at);
      this.remaining -= taken;
      if (hasBlock(this.type)) this.readBlock(memory, at, at + taken);
      else if (this.type === FrameType.settings) this.readSettings(memory, at, at + taken);
      at += taken;
      if (this.remaining === 0) this.endFrame();
    }
  }

  private readFrameHeader(memory: Buffer, start: number, end: number): number {
    let at = start;
    if (this.headerBytes === 0) {
      if (end - start >= FRAME_HEADER_BYTES) return this.readWholeFrameHeader(memory, start);
      this.length = 0;
      this.streamId = 0;
    }
    while (at < end && this.headerBytes < FRAME_HEADER_BYTES) {
      const byte = memory[at] ?? 0;
      if (this.headerBytes < 3) this.length = this.length * 256 + byte;
      else if (this.headerBytes === 3) this.type = byte;
      else if (this.headerBytes === 4) this.flags = byte;
      else this.streamId = ((this.streamId << 8) | byte) & STREAM_ID_MAX;
      this.headerBytes += 1;
      at += 1;
    }
    return at;
  }

  /** Nearly always it is. */
  private readWholeFrameHeader(memory: Buffer, at: number): number {
    const words = wordsOf(memory);
    const lengthAndType = words.getUint32(at);
    this.length = lengthAndType >>> 8;
    this.type = lengthAndType & 0xff;
    this.flags = words.getUint8(at + 4);
    this.streamId = words.getUint32(at + 5) & STREAM_ID_MAX;
    this.headerBytes = FRAME_HEADER_BYTES;
    return at + FRAME_HEADER_BYTES;
  }

  private beginFrame(): void {
    const { type, openStream } = this;
    this.remaining = this.length;
    this.settingBytes = 0;
    this.frameBytes = 0;
    if (!this.isHttp2) {
      // RFC 9113 3.4: both sides begin with it.
      this.isHttp2 = type === FrameType.settings && this.streamId === 0 && (this.flags & FrameFlag.ack) === 0;
      this.isBroken = !this.isHttp2;
      return;
    }
    // RFC 9113 4.3: nothing comes between the frames of a header block.
    const goesOn = type === FrameType.continuation;
    if (goesOn ? this.streamId !== openStream : openStream !== 0) this.isBroken = true;
    if (hasBlock(type) && (this.streamId === 0 || this.length + this.blockBytes > OBSERVE_LIMITS.headerBlockMaxBytes))
      this.isBroken = true;
  }

  /** Header frames that are whole in `memory` are read in place, others are copied until they are. */
  private readBlock(memory: Buffer, start: number, end: number): void {
    const isWhole = end - start === this.length;
    if (isWhole && this.type === FrameType.headers && (this.flags & FrameFlag.endHeaders) !== 0) {
      this.decode(memory, start, end, this.type);
      return;
    }
    const at = this.blockBytes + this.frameBytes;
    if (at + end - start > this.held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.held.length, this.blockBytes + this.length));
      this.held.copy(grown, 0, 0, at);
      this.held = grown;
    }
    memory.copy(this.held, at, start, end);
    this.frameBytes += end - start;
    if (this.remaining === 0) this.endFragment();
  }

  private endFragment(): void {
    const { held, type } = this;
    const from = this.blockBytes;
    const to = from + this.frameBytes;
    if (type !== FrameType.continuation) {
      this.openStream = this.streamId;
      this.openEndsStream = (this.flags & FrameFlag.endStream) !== 0;
      this.openIsPromise = type === FrameType.pushPromise;
    }
    const [start, end] = type === FrameType.continuation ? [from, to] : this.fragment(held, from, to, type);
    if (start > end) {
      this.isBroken = true;
      return;
    }
    held.copyWithin(from, start, end);
    this.blockBytes = from + end - start;
    if ((this.flags & FrameFlag.endHeaders) === 0) return;
    const streamId = this.openStream;
    const bytes = this.blockBytes;
    this.openStream = 0;
    this.blockBytes = 0;
    this.finish(held, 0, bytes, streamId, this.openEndsStream, this.openIsPromise);
    if (held.length > KEPT_BLOCK_BYTES) this.held = NOTHING;
  }

  private decode(memory: Buffer, from: number, to: number, type: number): void {
    const [start, end] = this.fragment(memory, from, to, type);
    if (start > end) this.isBroken = true;
    else this.finish(memory, start, end, this.streamId, (this.flags & FrameFlag.endStream) !== 0, false);
  }

  /** What is left of a payload without padding and what comes before the fragment; its start is behind its end when nothing is. */
  private fragment(memory: Buffer, from: number, to: number, type: number): readonly [start: number, end: number] {
    const isPadded = (this.flags & FrameFlag.padded) !== 0;
    const padding = isPadded ? (memory[from] ?? 0) : 0;
    let start = isPadded ? from + 1 : from;
    if (type === FrameType.pushPromise) start += PROMISED_STREAM_BYTES;
    else if ((this.flags & FrameFlag.priority) !== 0) start += PRIORITY_BYTES;
    return [start, to - padding];
  }

  private finish(
    memory: Buffer,
    start: number,
    end: number,
    streamId: number,
    endStream: boolean,
    isPromise: boolean,
  ): void {
    try {
      this.headers.decode(memory, start, end);
    } catch (error) {
      if (!(error instanceof Http2Violation)) throw error;
      this.isBroken = true;
      return;
    }
    if (!isPromise) this.owner.onHeaders(this, streamId, this.headers, endStream);
  }

  private readSettings(memory: Buffer, start: number, end: number): void {
    for (let at = start; at < end; at += 1) {
      const byte = memory[at] ?? 0;
      if (this.settingBytes < 2) this.settingId = ((this.settingId << 8) | byte) & 0xffff;
      else this.settingValue = (this.settingBytes === 2 ? 0 : this.settingValue * 256) + byte;
      this.settingBytes += 1;
      if (this.settingBytes < SETTING_BYTES) continue;
      this.settingBytes = 0;
      if (this.settingId === HEADER_TABLE_SIZE) this.owner.onTableSize(this, this.settingValue);
    }
  }

  private endFrame(): void {
    this.headerBytes = 0;
    if (this.type === FrameType.data) {
      if ((this.flags & FrameFlag.endStream) !== 0) this.owner.onEndStream(this, this.streamId);
    } else if (this.type === FrameType.rstStream) this.owner.onReset(this.streamId);
  }
}

function hasBlock(type: number): boolean {
  return type === FrameType.headers || type === FrameType.continuation || type === FrameType.pushPromise;
}
