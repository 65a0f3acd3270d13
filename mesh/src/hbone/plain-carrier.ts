import type { Socket } from 'node:net';
import { bug } from '../runtime/errors.ts';
import { WIDE } from '../runtime/wide.ts';
import type { Carrier, CarrierReader, CarrierResult } from './carrier.ts';
import { ChunkQueue } from './chunk-queue.ts';
import { HboneError } from './errors.ts';
import { publicWrites, readInternals, systemError, type WriteOwner, writeInternals } from './node-internals.ts';
import { giveStage, sourceRead, takeStage } from './read-memory.ts';
import { resetSocket } from './plain-socket.ts';
import { ownSocket, prepareReads, type SocketOwner } from './spliced-socket.ts';
import { GATHERED_MAX_BYTES, type GatheredWriter, writeGatherer } from './write-gatherer.ts';

/**
 * Carries bytes over a connected plaintext socket that nobody has read from (create it paused), and owns it from now on. Reads
 * land in the memory that all plaintext sockets of this thread share.
 */
export function createPlainCarrier(socket: Socket, options: { readonly publicApiOnly?: boolean } = {}): Carrier {
  return new PlainCarrier(socket, options.publicApiOnly === true);
}

class PlainCarrier implements Carrier, SocketOwner, WriteOwner, GatheredWriter {
  bytesSent: number = WIDE;
  bytesReceived: number = WIDE;
  closed = false;
  private readonly socket: Socket;
  private readonly internals: typeof readInternals;
  private readonly writes: typeof publicWrites;
  private reader: CarrierReader | undefined;
  private paused = false;
  /** Some of what was written waits in the gatherer. */
  private isGathered = false;
  /** The kernel has not taken a write yet. */
  private isWriting = false;
  /** What that write reads from, if it goes back to where it was taken from. */
  private stage: Buffer | undefined;
  private queue: ChunkQueue | undefined;
  /** A write returned false, and `onDrain` is still to come. */
  private drainOwed = false;
  private endQueued = false;
  private error: HboneError | undefined;

  constructor(socket: Socket, publicApiOnly: boolean) {
    this.bytesSent = 0;
    this.bytesReceived = 0;
    this.socket = socket;
    this.internals = publicApiOnly ? undefined : readInternals;
    this.writes = (publicApiOnly ? undefined : writeInternals) ?? publicWrites;
  }

  read(reader: CarrierReader): void {
    if (this.reader !== undefined) bug('a carrier was taken twice');
    this.reader = reader;
    ownSocket(this.socket, this);
    if (this.socket.destroyed) {
      this.onSocketGone();
      return;
    }
    prepareReads(this.socket, this, this.internals);
    if (!this.paused) this.readOn();
  }

  pause(): void {
    this.paused = true;
    if (this.internals === undefined) this.socket.pause();
    else this.internals.stopReading(this.socket);
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.readOn();
  }

  write(memory: Buffer, start = 0, end: number = memory.length): boolean {
    if (this.closed || this.endQueued || start === end) return true;
    this.bytesSent += end - start;
    if (!this.isWriting && end - start <= GATHERED_MAX_BYTES && this.writes !== publicWrites) {
      // What was gathered before may have left to make room.
      this.isGathered = writeGatherer.add(this, memory, start, end);
      return true;
    }
    this.settle();
    if (this.isWriting) this.keep(memory, start, end);
    else this.writeOut(memory, start, end);
    if (!this.hasWaiting()) return true;
    this.drainOwed = true;
    return false;
  }

  end(): void {
    if (this.closed || this.endQueued) return;
    this.settle();
    this.endQueued = true;
    if (!this.isWriting) this.socket.end();
  }

  reset(): void {
    if (this.closed) return;
    this.settle();
    resetSocket(this.socket);
    this.finish();
  }

  takeRead(bytes: number): boolean {
    if (this.closed) return false;
    this.bytesReceived += bytes;
    this.reader?.onBytes(sourceRead, 0, bytes);
    return !this.paused && !this.closed;
  }

  takeChunk(chunk: Buffer): void {
    if (this.closed) return;
    this.bytesReceived += chunk.length;
    this.reader?.onBytes(chunk, 0, chunk.length);
  }

  onSocketEnd(): void {
    if (!this.closed) this.reader?.onEnd();
  }

  onSocketError(cause: Error): void {
    this.error ??= new HboneError('socket', { cause });
  }

  onSocketGone(): void {
    // Both directions have ended in order, or somebody cut it.
    if (!this.socket.readableEnded || !this.socket.writableFinished) this.error ??= new HboneError('socket');
    this.finish();
  }

  onWriteDone(status: number): void {
    this.isWriting = false;
    if (this.stage !== undefined) giveStage(this.stage);
    this.stage = undefined;
    if (this.closed) return;
    if (status < 0) {
      this.socket.destroy(systemError(status));
      return;
    }
    for (let next = this.queue?.shift(); next !== undefined; next = this.queue?.shift()) {
      this.writeOut(next.chunk, 0, next.chunk.length);
      if (this.hasWaiting()) return;
    }
    this.queue = undefined;
    if (this.endQueued) this.socket.end();
    else if (this.drainOwed) {
      this.drainOwed = false;
      this.reader?.onDrain?.();
    }
  }

  writeGathered(chunk: Uint8Array): boolean {
    this.isGathered = false;
    if (this.closed) return false;
    if (this.isWriting) {
      this.keep(chunk, 0, chunk.length);
      return false;
    }
    const result = this.writes.writeNow(this.socket, chunk, this);
    this.isWriting = result === 1;
    if (result < 0) this.socket.destroy(systemError(result));
    return this.isWriting;
  }

  /** What was gathered goes before what comes now. */
  private settle(): void {
    if (this.isGathered) writeGatherer.flush();
  }

  /** Asked after a call that may have begun a write. */
  private hasWaiting(): boolean {
    return this.isWriting;
  }

  /** The kernel may keep pointing at what it is given, so that is always memory of ours; copying costs little beside the call. */
  private writeOut(memory: Buffer, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const stage = takeStage();
      const bytes = memory.copy(stage, 0, at, Math.min(end, at + stage.length));
      at += bytes;
      const result = this.writes.writeNow(this.socket, stage.subarray(0, bytes), this);
      if (result === 1) {
        this.isWriting = true;
        this.stage = stage;
        if (at < end) this.keep(memory, at, end);
        return;
      }
      giveStage(stage);
      if (result < 0) {
        this.socket.destroy(systemError(result));
        return;
      }
    }
  }

  private keep(memory: Uint8Array, start: number, end: number): void {
    this.queue ??= new ChunkQueue();
    this.queue.append(memory.subarray(start, end));
  }

  private readOn(): void {
    if (this.closed) return;
    if (this.internals === undefined) this.socket.resume();
    else this.internals.startReading(this.socket);
  }

  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    this.queue = undefined;
    const { bytesSent, bytesReceived, error } = this;
    const counts: CarrierResult = { bytesSent, bytesReceived };
    this.reader?.onClose(error === undefined ? counts : { ...counts, error });
  }
}
