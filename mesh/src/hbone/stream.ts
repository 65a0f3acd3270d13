import { ChunkQueue } from './chunk-queue.ts';
import type { Connection } from './connection.ts';
import { SMALL_PAYLOAD_BYTES } from './connection-writer.ts';
import type { HboneError } from './errors.ts';
import { WIDE } from '../runtime/wide.ts';
import { ReceiveWindow, SendWindow } from './flow-control.ts';
import { FrameType, Http2Code } from './frame-codec.ts';
import type { DecodedHeaders } from './hpack-decoder.ts';
import { type RecordSlab, sourceRead } from './read-memory.ts';
import { WaitingPayload } from './waiting-payload.ts';

/** With less that waits for credit, whoever brings more from afar may ask for it: it takes a while to come. */
const WAITING_LOW_BYTES = 1024 * 1024;

/** Where a stream's events go. */
export interface StreamSink {
  /**
   * Payload in `[start, end)` of `memory`. Returns true when the memory may be reused at once; false when it is still
   * being read, then `slab` (absent: the memory is the connection's own) has been pinned until it is not.
   * Bytes stay charged to the peer until `Stream.release`.
   */
  onBytes(memory: Buffer, start: number, end: number, slab: RecordSlab | undefined): boolean;
  /** The peer ended its direction. */
  onEnd(): void;
  /** All that was sent has gone out to the connection after it had to wait. */
  onWritable(): void;
  /**
   * The peer has granted credit, and little, `waitingBytes`, still waits for more: whoever brings what is sent from afar may ask for it
   * already, and sends it behind. Called again with every grant.
   */
  onDraining?(waitingBytes: number): void;
  /** Last: the stream is over, cleanly or with an error. Not called for a stream that was reset through `abort`. */
  onClosed(error: HboneError | undefined): void;
}

/** The profile's side of a stream, for what is not payload. May be shared by streams. */
export interface StreamObserver {
  /** Headers on an open stream: a client's answer, or trailers of either side. */
  onHeaders(stream: Stream, headers: DecodedHeaders, endStream: boolean): void;
  /** The stream failed before a sink was attached. */
  onFailed(stream: Stream, error: HboneError): void;
}

/**
 * One HTTP/2 stream with its windows; knows nothing of CONNECT. It leaves its connection when both directions have ended
 * or either side resets it.
 */
export class Stream {
  readonly id: number;
  readonly connection: Connection;
  readonly sendWindow: SendWindow;
  bytesSent: number = WIDE;
  bytesReceived: number = WIDE;
  /** Pieces of payload that were sent or received. */
  segments: number = WIDE;
  closed = false;
  localEnded = false;
  remoteEnded = false;
  /** Server: the answer has been sent. Client: it has arrived. */
  answered = false;
  /** Since when (monotonic) the peer has owed us something: an answer, or letting go of a refused stream. */
  overdueFromMs: number = Number.POSITIVE_INFINITY;
  /** Hears of headers, and of the end as long as there is no sink. */
  observer: StreamObserver | undefined;
  private readonly receiveWindow: ReceiveWindow;
  private sink: StreamSink | undefined;
  /** Payload that came before there was a sink; bounded by the stream's window. */
  private early: ChunkQueue | undefined;
  /** The stream was refused: what arrives is dropped. */
  private discards = false;
  /** Payload that waits for credit. */
  private queue: WaitingPayload | undefined;
  private endQueued = false;
  private failure: HboneError | undefined;

  constructor(connection: Connection, id: number) {
    this.connection = connection;
    this.id = id;
    this.bytesSent = 0;
    this.bytesReceived = 0;
    this.segments = 0;
    this.sendWindow = new SendWindow(connection.peerInitialWindowBytes);
    const size = connection.limits.streamWindowBytes;
    this.receiveWindow = new ReceiveWindow(size, size >>> 1);
  }

  /** True while what was sent waits for credit: send no more until `onWritable`. */
  get isSendBlocked(): boolean {
    return this.queue !== undefined;
  }

  /** Payload in our memory: what waits for credit, and what came before there was a sink. */
  get waitingBytes(): number {
    return (this.queue?.bytes ?? 0) + (this.early?.bytes ?? 0);
  }

  /** Sets where events go and hands over what came before. Once. */
  attach(sink: StreamSink): void {
    this.sink = sink;
    const { early } = this;
    this.early = undefined;
    for (let next = early?.shift(); next !== undefined; next = early?.shift()) {
      sink.onBytes(next.chunk, 0, next.chunk.length, undefined);
    }
    if (this.remoteEnded) sink.onEnd();
    if (this.closed) sink.onClosed(this.failure);
  }

  /** Sends the first `bytes` of this thread's source memory, which may be reused afterwards. */
  sendSource(bytes: number): void {
    if (!this.mayLeaveNow(bytes)) {
      this.enqueue(sourceRead, 0, bytes);
      return;
    }
    this.charge(bytes);
    const { writer, peerFrameMaxBytes } = this.connection;
    if (bytes < SMALL_PAYLOAD_BYTES) writer.smallData(this.id, sourceRead, 0, bytes, false);
    else if (bytes <= peerFrameMaxBytes) writer.sourceData(this.id, bytes);
    else writer.data(this.id, sourceRead, 0, bytes, peerFrameMaxBytes);
  }

  /** Sends `chunk`; it is copied before this returns. */
  send(chunk: Buffer): void {
    this.sendRange(chunk, 0, chunk.length);
  }

  /** As `send`, of `[start, end)` of `memory`. */
  sendRange(memory: Buffer, start: number, end: number): void {
    const bytes = end - start;
    if (bytes === 0 || this.closed || this.localEnded) return;
    if (!this.mayLeaveNow(bytes)) {
      this.enqueue(memory, start, end);
      return;
    }
    this.charge(bytes);
    const { writer, peerFrameMaxBytes } = this.connection;
    if (bytes < SMALL_PAYLOAD_BYTES) writer.smallData(this.id, memory, start, end, false);
    else writer.data(this.id, memory, start, end, peerFrameMaxBytes);
  }

  /**
   * As `sendRange`, and `last` ends our direction with it. For what has company: small pieces leave with all others at the end of
   * the loop turn.
   */
  gatherRange(memory: Buffer, start: number, end: number, last: boolean): void {
    const bytes = end - start;
    if (this.closed || this.localEnded || (bytes === 0 && !last)) return;
    if (bytes >= SMALL_PAYLOAD_BYTES || !this.mayLeaveNow(bytes)) {
      this.sendRange(memory, start, end);
      if (last) this.end();
      return;
    }
    this.charge(bytes);
    this.connection.writer.gatherData(this.id, memory, start, end, last);
    if (last) this.endedWithHeaders();
  }

  /** Ends our direction behind what was sent. */
  end(): void {
    if (this.localEnded || this.closed) return;
    this.localEnded = true;
    if (this.queue === undefined) this.sendEnd();
    else this.endQueued = true;
  }

  /** END_STREAM has left with a header block: there will be no sink, so what arrives is dropped. */
  endedWithHeaders(): void {
    this.localEnded = true;
    this.discards = true;
    this.dropEarly();
    this.closeIfEnded();
  }

  /** The peer has granted credit: sends what waits, as far as the windows go. */
  drainQueue(): void {
    if (this.sendWaiting()) {
      this.connection.waitingStreams.delete(this);
      if (this.endQueued) {
        this.endQueued = false;
        this.sendEnd();
      } else if (!this.closed) {
        this.sink?.onWritable();
      }
    } else if (!this.endQueued && this.queue !== undefined && this.queue.bytes <= WAITING_LOW_BYTES) {
      this.sink?.onDraining?.(this.queue.bytes);
    }
  }

  /** Gives the peer back the credit of bytes that were received earlier and need no memory any more. */
  release(bytes: number): void {
    this.connection.release(bytes);
    if (this.closed || this.remoteEnded) return;
    const increment = this.receiveWindow.release(bytes);
    if (increment > 0) this.connection.writer.control(FrameType.windowUpdate, this.id, increment);
  }

  /** Resets the stream without telling the sink. Nothing if it is over already. */
  abort(http2Code: number): void {
    if (this.closed) return;
    this.connection.writer.control(FrameType.rstStream, this.id, http2Code);
    this.connection.noteLocalReset(this.id);
    this.leave();
  }

  /** Ends the stream because of the peer or the connection; the sink is told. */
  fail(error: HboneError): void {
    if (this.closed) return;
    this.failure = error;
    this.leave();
    if (this.sink === undefined) this.observer?.onFailed(this, error);
    else this.sink.onClosed(error);
  }

  /** Resets the stream and tells the sink why. */
  abortWith(http2Code: number, error: HboneError): void {
    if (this.closed) return;
    this.connection.writer.control(FrameType.rstStream, this.id, http2Code);
    this.connection.noteLocalReset(this.id);
    this.fail(error);
  }

  /** For the connection: flow control of an arriving DATA frame. False: the peer overran the stream's window. */
  receive(frameBytes: number): boolean {
    return this.receiveWindow.receive(frameBytes);
  }

  /** For the connection: payload has arrived. As `StreamSink.onBytes`. */
  deliver(memory: Buffer, start: number, end: number, slab: RecordSlab | undefined): boolean {
    this.bytesReceived += end - start;
    this.segments++;
    if (this.sink !== undefined) return this.sink.onBytes(memory, start, end, slab);
    if (this.discards) {
      // The stream's own credit stays spent, so this comes to an end.
      this.connection.release(end - start);
    } else {
      this.early ??= new ChunkQueue();
      this.early.append(memory.subarray(start, end));
    }
    return true;
  }

  /** For the connection: END_STREAM has arrived. */
  endRemote(): void {
    if (this.remoteEnded || this.closed) return;
    this.remoteEnded = true;
    this.sink?.onEnd();
    this.closeIfEnded();
  }

  private mayLeaveNow(bytes: number): boolean {
    return (
      this.queue === undefined &&
      bytes <= this.sendWindow.availableBytes &&
      bytes <= this.connection.sendWindow.availableBytes
    );
  }

  private charge(bytes: number): void {
    this.sendWindow.consume(bytes);
    this.connection.sendWindow.consume(bytes);
    this.bytesSent += bytes;
    this.segments++;
  }

  private enqueue(memory: Buffer, start: number, end: number): void {
    if (this.queue === undefined) {
      this.queue = new WaitingPayload();
      this.connection.waitingStreams.add(this);
    }
    this.queue.append(memory, start, end);
    this.sendWaiting();
  }

  /** True when nothing waits any more. */
  private sendWaiting(): boolean {
    const { connection } = this;
    while (this.queue !== undefined) {
      const first = this.queue.peek();
      const credit = Math.min(this.sendWindow.availableBytes, connection.sendWindow.availableBytes);
      if (first === undefined || credit <= 0) return false;
      const { memory, start } = first;
      const bytes = Math.min(credit, first.end - start);
      this.charge(bytes);
      connection.writer.data(this.id, memory, start, start + bytes, connection.peerFrameMaxBytes);
      this.queue?.drop(bytes);
      if (this.queue?.bytes === 0) this.queue = undefined;
    }
    return true;
  }

  private sendEnd(): void {
    this.connection.writer.smallData(this.id, sourceRead, 0, 0, true);
    this.closeIfEnded();
  }

  private closeIfEnded(): void {
    if (this.closed || !this.remoteEnded || !this.localEnded || this.endQueued) return;
    this.leave();
    this.sink?.onClosed(undefined);
  }

  private leave(): void {
    this.closed = true;
    this.queue?.clear();
    this.queue = undefined;
    this.endQueued = false;
    this.connection.forget(this);
    this.dropEarly();
  }

  private dropEarly(): void {
    const { early } = this;
    this.early = undefined;
    for (let next = early?.shift(); next !== undefined; next = early?.shift())
      this.connection.release(next.chunk.length);
  }
}

/** RST_STREAM codes that mean "nothing more to say", read like an end of stream. */
export function isQuietReset(http2Code: number): boolean {
  return http2Code === Http2Code.noError || http2Code === Http2Code.cancel;
}
