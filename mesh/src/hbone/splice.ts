import type { LinkSource } from './connection-writer.ts';
import { SMALL_PAYLOAD_BYTES } from './connection-writer.ts';
import { HboneError } from './errors.ts';
import { Http2Code } from './frame-codec.ts';
import { publicWrites, writeInternals } from './node-internals.ts';
import { type PlainSocket, resetSocket } from './plain-socket.ts';
import type { BudgetedReader, ReadBudget } from './read-budget.ts';
import { type RecordSlab, sourceRead } from './read-memory.ts';
import { SocketOutlet } from './socket-outlet.ts';
import { ownSocket, prepareReads, type SocketOwner } from './spliced-socket.ts';
import type { Stream, StreamSink } from './stream.ts';
import type { CarrierResult, PayloadTap } from './carrier.ts';

/**
 * Joins a plaintext socket to a stream. End of stream and FIN, RST_STREAM and RST are the same thing on either side
 * (RFC 9113 8.5); a quiet RST_STREAM is an end. The socket is read only while the link takes what it brings, and the peer
 * gets credit back only while the socket takes what the peer brings.
 */
export class Splice implements StreamSink, LinkSource, SocketOwner, BudgetedReader {
  private readonly stream: Stream;
  private readonly socket: PlainSocket;
  private readonly outlet: SocketOutlet;
  private readonly tap: PayloadTap | null;
  private readonly budget: ReadBudget | null;
  private onDone: ((result: CarrierResult) => void) | undefined;
  /** Reasons not to read the socket. */
  private heldByLink = false;
  private heldByCredit = false;
  private heldByBudget = false;
  private isBulk = false;
  private socketGone = false;
  private streamGone = false;
  private error: HboneError | undefined;

  constructor(
    stream: Stream,
    socket: PlainSocket,
    onDone: (result: CarrierResult) => void,
    tap: PayloadTap | null,
    budget: ReadBudget | null,
  ) {
    this.stream = stream;
    this.socket = socket;
    this.tap = tap;
    this.budget = budget;
    this.onDone = onDone;
    const { internals } = stream.connection;
    const writes = (internals === undefined ? undefined : writeInternals) ?? publicWrites;
    this.outlet = new SocketOutlet(socket, writes, stream);
  }

  /** Begins; `onDone` may be called from now on. */
  start(): void {
    const { socket, stream } = this;
    const before = ownSocket(socket, this);
    if (socket.destroyed) {
      this.onSocketGone();
      stream.attach(this);
      return;
    }
    // What an early payload left waiting for credit.
    this.heldByCredit = stream.isSendBlocked;
    stream.attach(this);
    if (this.streamGone) return;
    if (before === undefined) prepareReads(socket, this, stream.connection.internals);
    this.readOn();
  }

  /** Ends both sides at once, by reset. */
  cut(error: HboneError): void {
    if (this.error === undefined) this.error = error;
    this.stream.abort(Http2Code.connectError);
    this.streamGone = true;
    if (this.socketGone) this.finish();
    else resetSocket(this.socket);
  }

  /** What the socket has not taken yet. */
  get waitingBytes(): number {
    return this.outlet.waitingBytes;
  }

  onBytes(memory: Buffer, start: number, end: number, slab: RecordSlab | undefined): boolean {
    const mayReuse = this.outlet.write(memory, start, end, slab);
    if (this.tap !== null) this.tap.onReceived(memory, start, end);
    return mayReuse;
  }

  onEnd(): void {
    const { socket, stream, outlet } = this;
    // With nothing left to read, to send or to write, closing sends the same FIN as shutting down first, for less work.
    const isIdle = !stream.isSendBlocked && !outlet.isBehind && socket.writableLength === 0;
    if (socket.readableEnded && isIdle) socket.destroy();
    else outlet.end();
  }

  onWritable(): void {
    this.heldByCredit = false;
    this.readOn();
  }

  onClosed(error: HboneError | undefined): void {
    this.streamGone = true;
    this.stream.connection.writer.forget(this);
    if (this.socketGone) {
      this.error ??= error;
      this.finish();
    } else if (error === undefined) {
      // Both directions have ended; the socket closes by itself once it has written what it holds.
    } else if (error.code === 'reset' && error.data['quiet'] === true) {
      this.error ??= error;
      this.stopReading();
      this.outlet.close();
    } else {
      this.error ??= error;
      resetSocket(this.socket);
    }
  }

  onLinkBusy(): void {
    this.heldByLink = true;
    this.stopReading();
  }

  onLinkIdle(): void {
    this.heldByLink = false;
    this.readOn();
  }

  onBudget(): void {
    this.heldByBudget = false;
    this.readOn();
  }

  /** `bytes` lie in the source memory. Returns false to read no more for now. */
  takeRead(bytes: number): boolean {
    const { stream } = this;
    if (this.streamGone) return false;
    stream.sendSource(bytes);
    if (this.tap !== null) this.tap.onSent(sourceRead, 0, bytes);
    this.afterSend(bytes);
    return !this.isHeld;
  }

  takeChunk(chunk: Buffer): void {
    if (this.streamGone) return;
    this.stream.send(chunk);
    if (this.tap !== null) this.tap.onSent(chunk, 0, chunk.length);
    this.afterSend(chunk.length);
  }

  onSocketEnd(): void {
    this.stream.end();
  }

  onSocketError(cause: Error): void {
    this.error ??= new HboneError('socket', { cause });
  }

  onSocketGone(): void {
    if (this.socketGone) return;
    this.socketGone = true;
    this.outlet.drop();
    this.budget?.forget(this);
    if (!this.streamGone) {
      this.stream.abort(this.error === undefined ? Http2Code.cancel : Http2Code.connectError);
      this.error ??= new HboneError('socket');
      this.streamGone = true;
    }
    this.finish();
  }

  private get isHeld(): boolean {
    return this.heldByLink || this.heldByCredit || this.heldByBudget;
  }

  /** Decides whether the socket may be read on after a read of `bytes`. */
  private afterSend(bytes: number): void {
    const { writer } = this.stream.connection;
    if (bytes >= SMALL_PAYLOAD_BYTES) {
      this.isBulk = true;
      writer.noteBulk(this);
    } else {
      if (this.isBulk) {
        this.isBulk = false;
        writer.noteSmall(this);
      }
      if (writer.isCongested) writer.hold(this);
    }
    if (this.stream.isSendBlocked) {
      this.heldByCredit = true;
      this.stopReading();
    }
    if (this.budget !== null && !this.budget.take(bytes, this)) {
      this.heldByBudget = true;
      this.stopReading();
    }
  }

  private stopReading(): void {
    const { internals } = this.stream.connection;
    if (internals === undefined) this.socket.pause();
    else internals.stopReading(this.socket);
  }

  private readOn(): void {
    if (this.isHeld || this.streamGone || this.socketGone) return;
    const { internals } = this.stream.connection;
    if (internals === undefined) this.socket.resume();
    else internals.startReading(this.socket);
  }

  private finish(): void {
    const { onDone, stream, error } = this;
    if (onDone === undefined || !this.streamGone || !this.socketGone) return;
    this.onDone = undefined;
    stream.connection.writer.forget(this);
    const counts = { bytesSent: stream.bytesSent, bytesReceived: stream.bytesReceived };
    onDone(error === undefined ? counts : { ...counts, error });
  }
}
