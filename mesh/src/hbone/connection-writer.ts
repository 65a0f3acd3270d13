import { Socket } from 'node:net';
import type { ByteLink } from './byte-link.ts';
import { FlushThreshold } from './flush-threshold.ts';
import { FRAME_HEADER_BYTES, FrameFlag, FrameType, writeFrameHeader, writeUint32 } from './frame-codec.ts';
import { atTurnEnd } from '../runtime/turn-end.ts';
import { type SocketWrites, systemError, type WriteOwner } from './node-internals.ts';
import { giveStage, sourceFrame, takeBulkStage, takeStage } from './read-memory.ts';

/** Something that feeds a connection and can be held back while the link is busy. */
export interface LinkSource {
  /** Read no more until `onLinkIdle`. */
  onLinkBusy(): void;
  onLinkIdle(): void;
}

/** Payload below this is copied into the stage; from there on it is worth a write of its own. */
export const SMALL_PAYLOAD_BYTES: number = 8 * 1024;
/** Bytes waiting behind a busy link beyond this hold back whoever adds to them. */
const BACKLOG_MAX_BYTES = 64 * 1024;
/** Staged bytes below this are copied out of the stage when something must queue behind them. */
const STAGE_WORTH_KEEPING_BYTES = 16 * 1024;

/**
 * Writes frames to a TLS socket. Small ones are gathered ("staged") and leave together: at the end of the loop turn, that is once
 * per loop turn (nextTick would run after every callback and undo the batching), or earlier when `FlushThreshold` says.
 * A TLS write counts as busy until the check phase of the loop even when the kernel took it at once (TLSWrap reports
 * completion there), so there is at most one write per socket before that phase; what comes meanwhile waits here.
 * Invariant: frames leave in the order of the calls.
 */
export class ConnectionWriter implements WriteOwner {
  private readonly socket: ByteLink;
  private stage: Buffer | undefined;
  private stagedBytes = 0;
  /** Whole frames, before what is staged. Only filled while busy. */
  private readonly queue: Buffer[] = [];
  /** The stage that each queued buffer is of; undefined where it is none. */
  private readonly queueStages: (Buffer | undefined)[] = [];
  private queuedBytes = 0;
  /** How much of each queued buffer, and of what is staged, is not payload. */
  private readonly queueControlBytes: number[] = [];
  private queuedControlBytes = 0;
  private stagedControlBytes = 0;
  private busy = false;
  private scheduled = false;
  private ending = false;
  private closed = false;
  /** Sources held back until the link is idle. */
  private held = new Set<LinkSource>();
  /** Sources whose last read was large: held back together, else each would deliver one more read to a busy link. */
  private readonly bulk = new Set<LinkSource>();
  private readonly threshold = new FlushThreshold();
  private readonly onFlushTurn = (): void => {
    this.scheduled = false;
    this.flush();
  };
  private readonly onLaterTurn = (): void => {
    atTurnEnd(this.onFlushTurn);
  };
  private readonly onWritten = (): void => this.onWriteDone(0);
  private readonly writes: SocketWrites | undefined;
  /** The socket again, where it can be written to past its stream. */
  private readonly direct: Socket | undefined;

  /** `writes`: how to write past the stream of `socket`, a TLSSocket; otherwise it is written to as a stream. */
  constructor(socket: ByteLink, writes: SocketWrites | undefined) {
    this.socket = socket;
    this.writes = writes;
    this.direct = writes !== undefined && socket instanceof Socket ? socket : undefined;
  }

  onWriteDone(status: number): void {
    this.busy = false;
    if (status < 0) {
      this.socket.destroy(systemError(status));
      return;
    }
    this.threshold.endTurn();
    this.flush();
    if (!this.busy && this.held.size > 0) this.releaseSources();
  }

  /** Answers and credit waiting behind a busy link: what a peer that asks and does not read can make us keep. */
  get waitingControlBytes(): number {
    return this.queuedControlBytes + this.stagedControlBytes;
  }

  /** All that waits behind a busy link. */
  get waitingBytes(): number {
    return this.queuedBytes + this.stagedBytes;
  }

  get isCongested(): boolean {
    return this.busy && this.queuedBytes + this.stagedBytes > BACKLOG_MAX_BYTES;
  }

  /** A frame with a four byte payload: RST_STREAM, WINDOW_UPDATE. */
  control(type: number, streamId: number, value: number): void {
    const at = this.reserve(FRAME_HEADER_BYTES + 4);
    if (at < 0 || this.stage === undefined) return;
    writeFrameHeader(this.stage, at, 4, type, FrameFlag.none, streamId);
    writeUint32(this.stage, at + FRAME_HEADER_BYTES, value);
    this.stagedControlBytes += FRAME_HEADER_BYTES + 4;
    this.schedule();
  }

  /** Any whole frame with payload up to DEFAULT_FRAME_MAX_BYTES; copied. */
  frame(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    if (at < 0 || this.stage === undefined) return;
    this.stage.set(bytes, at);
    this.stagedControlBytes += bytes.length;
    this.schedule();
  }

  /**
   * A HEADERS frame whose block, at most `blockMaxBytes` (<= DEFAULT_FRAME_MAX_BYTES), `encode` builds in place. It may wait
   * for the next loop turn when `more` is likely to come in it.
   */
  headers(
    streamId: number,
    endStream: boolean,
    blockMaxBytes: number,
    encode: (target: Buffer, offset: number) => number,
    more = false,
  ): void {
    const at = this.reserve(FRAME_HEADER_BYTES + blockMaxBytes);
    if (at < 0 || this.stage === undefined) return;
    const end = encode(this.stage, at + FRAME_HEADER_BYTES);
    const flags = FrameFlag.endHeaders | (endStream ? FrameFlag.endStream : 0);
    writeFrameHeader(this.stage, at, end - at - FRAME_HEADER_BYTES, FrameType.headers, flags, streamId);
    this.stagedBytes = end;
    this.stagedControlBytes += end - at;
    if (more) this.schedule(this.onLaterTurn);
    else this.staged();
  }

  /** A DATA frame, copied; its payload is smaller than `SMALL_PAYLOAD_BYTES`. */
  smallData(streamId: number, payload: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.stageData(streamId, payload, start, end, endStream)) this.staged();
  }

  /** As `smallData`, for what has company: it leaves with all others at the end of the loop turn. */
  gatherData(streamId: number, payload: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.stageData(streamId, payload, start, end, endStream)) this.schedule();
  }

  /** A DATA frame of the first `bytes` of this thread's source memory; not copied when the link is idle. */
  sourceData(streamId: number, bytes: number): void {
    if (this.closed) return;
    writeFrameHeader(sourceFrame, 0, bytes, FrameType.data, FrameFlag.none, streamId);
    const frame = sourceFrame.subarray(0, FRAME_HEADER_BYTES + bytes);
    if (this.busy) {
      this.enqueue(Buffer.from(frame));
    } else if (this.stagedBytes === 0) {
      // TLSWrap encrypts before `write` returns, so the memory is free again then.
      this.write(frame);
    } else {
      const stage = this.stage;
      this.write(Buffer.concat([this.takeStaged(), frame]));
      if (stage !== undefined) giveStage(stage);
    }
  }

  /** DATA frames of at most `frameMaxBytes` for a payload of any size, copied: into stages, since memory made for each is dear. */
  data(streamId: number, payload: Buffer, start: number, end: number, frameMaxBytes: number): void {
    if (this.closed || this.ending) return;
    for (let from = start; from < end; ) {
      this.stage ??= takeBulkStage();
      const room = this.stage.length - this.stagedBytes - FRAME_HEADER_BYTES;
      if (room < SMALL_PAYLOAD_BYTES) {
        this.makeWay();
        continue;
      }
      const to = Math.min(end, from + Math.min(frameMaxBytes, room));
      if (!this.stageData(streamId, payload, from, to, false)) return;
      from = to;
    }
    this.flush();
  }

  /** The source's last read was large; the link is busy with it, so nobody with much to say should read now. */
  noteBulk(source: LinkSource): void {
    this.bulk.add(source);
    if (!this.busy) return;
    for (const each of this.bulk) this.hold(each);
  }

  /** Holds one source back until the link is idle. */
  hold(source: LinkSource): void {
    if (this.held.has(source)) return;
    this.held.add(source);
    source.onLinkBusy();
  }

  /** The source has little to say again. */
  noteSmall(source: LinkSource): void {
    this.bulk.delete(source);
  }

  /** The source is gone. */
  forget(source: LinkSource): void {
    this.bulk.delete(source);
    this.held.delete(source);
  }

  /** Sends what waits if the link is idle. */
  flush(): void {
    if (this.busy || this.closed) return;
    const queued = this.queue.length === 0 ? undefined : this.queue.shift();
    if (queued !== undefined) {
      this.queuedBytes -= queued.length;
      this.queuedControlBytes -= this.queueControlBytes.shift() ?? 0;
      const stage = this.queueStages.shift();
      this.write(queued);
      if (stage !== undefined) giveStage(stage);
    } else if (this.stagedBytes > 0) {
      const stage = this.stage;
      this.write(this.takeStaged());
      // TLSWrap has encrypted it already: see sourceData.
      if (stage !== undefined) giveStage(stage);
    } else if (this.ending) {
      this.closed = true;
      this.socket.end();
    }
  }

  /** Takes no more frames; what waits is sent, then close_notify and FIN. */
  end(): void {
    this.ending = true;
    this.flush();
  }

  /** The socket is gone: nothing will be written any more, held sources are forgotten. */
  close(): void {
    this.closed = true;
    this.queue.length = 0;
    this.queuedBytes = 0;
    this.queueControlBytes.length = 0;
    this.queueStages.length = 0;
    this.queuedControlBytes = 0;
    this.stagedBytes = 0;
    this.stagedControlBytes = 0;
    this.stage = undefined;
    this.held = new Set();
    this.bulk.clear();
  }

  private write(bytes: Buffer): void {
    this.busy = true;
    const { direct, writes } = this;
    if (direct === undefined || writes === undefined) {
      this.socket.write(bytes, this.onWritten);
      return;
    }
    const result = writes.writeNow(direct, bytes, this);
    if (result === 0) atTurnEnd(this.onWritten);
    else if (result < 0) direct.destroy(systemError(result));
  }

  /** Makes room in the stage and returns the offset of the frame, or -1 when nothing is written any more. */
  private reserve(bytes: number): number {
    if (this.closed || this.ending) return -1;
    this.stage ??= takeStage();
    if (this.stagedBytes + bytes > this.stage.length) {
      this.makeWay();
      this.stage ??= takeStage();
    }
    const at = this.stagedBytes;
    this.stagedBytes = at + bytes;
    return at;
  }

  /** What is staged leaves, or queues. */
  private makeWay(): void {
    this.flush();
    if (this.stagedBytes > 0) this.enqueueStaged();
  }

  private stageData(streamId: number, payload: Buffer, start: number, end: number, endStream: boolean): boolean {
    const bytes = end - start;
    const at = this.reserve(FRAME_HEADER_BYTES + bytes);
    if (at < 0 || this.stage === undefined) return false;
    writeFrameHeader(this.stage, at, bytes, FrameType.data, endStream ? FrameFlag.endStream : FrameFlag.none, streamId);
    payload.copy(this.stage, at + FRAME_HEADER_BYTES, start, end);
    return true;
  }

  private takeStaged(): Buffer {
    const stage = this.stage ?? EMPTY;
    const staged = stage.subarray(0, this.stagedBytes);
    this.stage = undefined;
    this.stagedBytes = 0;
    this.stagedControlBytes = 0;
    return staged;
  }

  private enqueueStaged(): void {
    const controlBytes = this.stagedControlBytes;
    if (this.stagedBytes >= STAGE_WORTH_KEEPING_BYTES || this.stage === undefined) {
      const { stage } = this;
      this.push(this.takeStaged(), stage, controlBytes);
    } else {
      this.push(Buffer.from(this.stage.subarray(0, this.stagedBytes)), undefined, controlBytes);
      this.stagedBytes = 0;
      this.stagedControlBytes = 0;
    }
  }

  private enqueue(frame: Buffer): void {
    if (this.stagedBytes > 0) this.enqueueStaged();
    this.push(frame, undefined, 0);
  }

  private push(bytes: Buffer, stage: Buffer | undefined, controlBytes: number): void {
    this.queue.push(bytes);
    this.queueStages.push(stage);
    this.queuedBytes += bytes.length;
    this.queueControlBytes.push(controlBytes);
    this.queuedControlBytes += controlBytes;
  }

  private staged(): void {
    if (this.threshold.staged() && !this.busy) this.flush();
    else this.schedule();
  }

  private schedule(flush: () => void = this.onFlushTurn): void {
    if (this.scheduled || this.busy) return;
    this.scheduled = true;
    atTurnEnd(flush);
  }

  private releaseSources(): void {
    const released = this.held;
    this.held = new Set();
    for (const source of released) source.onLinkIdle();
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
