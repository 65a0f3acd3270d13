import { bug } from '../runtime/errors.ts';
import { WIDE } from '../runtime/wide.ts';
import type { CarrierResult, PayloadTap } from './carrier.ts';
import { ChunkQueue } from './chunk-queue.ts';
import { HboneError } from './errors.ts';
import { Http2Code } from './frame-codec.ts';
import {
  publicWrites,
  type ReadInternals,
  readInternals,
  type SocketWrites,
  systemError,
  type WriteOwner,
  writeInternals,
} from './node-internals.ts';
import type { BudgetedReader, ReadBudget } from './read-budget.ts';
import { giveStage, sourceRead, takeBulkStage, takeStage } from './read-memory.ts';
import { type PlainSocket, resetSocket } from './plain-socket.ts';
import { ownSocket, prepareReads, type SocketOwner } from './spliced-socket.ts';
import type { TunnelEnd } from './tunnel.ts';
import { GATHERED_MAX_BYTES, type GatheredWriter, writeGatherer } from './write-gatherer.ts';

/** A read of this size makes a socket read into memory of its own, which is written from without copying. */
const BULK_READ_BYTES = 64 * 1024;
/** A smaller read than this gives that memory back. */
const SMALL_READ_BYTES = 16 * 1024;

/** The two ends of a tunnel within one thread. `onOver` is called once, when nothing is left of either. */
export function openLocalPair(
  onOver: () => void,
  publicApiOnly: boolean,
): { readonly client: LocalEnd; readonly server: LocalEnd } {
  const internals = publicApiOnly ? undefined : readInternals;
  const client = new LocalEnd(onOver, internals);
  const server = new LocalEnd(onOver, internals);
  client.other = server;
  server.other = client;
  return { client, server };
}

/**
 * One end: what its socket brings is written to the socket of the other end, and counted at both. End of stream and errors
 * travel as on a CONNECT stream. A socket is read only while the other takes what it brings, so at most one read waits.
 */
export class LocalEnd implements TunnelEnd, SocketOwner, BudgetedReader, WriteOwner, GatheredWriter {
  readonly isLocal: boolean = true;
  bytesSent: number = WIDE;
  bytesReceived: number = WIDE;
  segments: number = WIDE;
  /** Set once by `openLocalPair`. */
  other: LocalEnd | undefined;
  private onOver: (() => void) | undefined;
  private readonly internals: ReadInternals | undefined;
  private readonly writes: SocketWrites;
  private socket: PlainSocket | undefined;
  private tap: PayloadTap | null = null;
  private budget: ReadBudget | null = null;
  private heldByBudget = false;
  private onDone: ((result: CarrierResult) => void) | undefined;
  private error: HboneError | undefined;
  /** The tunnel was reset, from either side or by the session. */
  private broken = false;
  /** Its socket said FIN. */
  private ended = false;
  private gone = false;
  /** The other socket's kernel has not taken yet what this one brought. */
  private isWriting = false;
  private writingBytes = 0;
  private written: Buffer | undefined;
  /** Some of what it brought waits in the gatherer. */
  private isGathered = false;
  /** Gathered behind a write that the kernel has not taken. */
  private queue: ChunkQueue | undefined;
  /** Memory that only this socket is read into, while it brings much. */
  private bulk: Buffer | undefined;
  /** Where the socket's next read lands, as far as Node has been told. */
  private readMemory: Buffer = sourceRead;
  private endQueued = false;

  constructor(onOver: () => void, internals: ReadInternals | undefined) {
    this.onOver = onOver;
    this.internals = internals;
    this.writes = (internals === undefined ? undefined : writeInternals) ?? publicWrites;
    this.bytesSent = 0;
    this.bytesReceived = 0;
    this.segments = 0;
  }

  get waitingBytes(): number {
    return this.writingBytes + (this.queue?.bytes ?? 0);
  }

  splice(
    socket: PlainSocket,
    onDone: (result: CarrierResult) => void,
    tap: PayloadTap | null = null,
    budget: ReadBudget | null = null,
  ): void {
    if (this.socket !== undefined) bug('a tunnel was taken twice');
    this.socket = socket;
    this.tap = tap;
    this.budget = budget;
    this.onDone = onDone;
    const before = ownSocket(socket, this);
    if (before !== undefined) bug('a socket was read before it was spliced');
    if (socket.destroyed) this.onSocketGone();
    else if (this.broken) resetSocket(socket);
    else this.peer.join();
  }

  reset(): void {
    this.break(new HboneError('aborted'), peerReset());
  }

  cut(reason: string): void {
    this.break(new HboneError('cut', { data: { reason } }), peerReset());
  }

  /** The session of the tunnel is gone. */
  lose(error: HboneError): void {
    this.break(error, error);
  }

  takeRead(bytes: number): boolean {
    if (this.broken) return false;
    const { bulk } = this;
    this.note(bulk ?? sourceRead, bytes);
    if (bulk !== undefined) {
      this.pass(bulk.subarray(0, bytes), undefined);
    } else if (bytes <= GATHERED_MAX_BYTES && this.writes !== publicWrites) {
      // What was gathered before may have left to make room.
      this.isGathered = writeGatherer.add(this, sourceRead, 0, bytes);
      return this.mayReadOn(bytes) && !this.isWriting;
    } else {
      // Every socket of the thread is read into this memory, and the kernel may keep pointing at what it is given.
      const stage = bytes > BULK_READ_BYTES ? takeBulkStage() : takeStage();
      sourceRead.copy(stage, 0, 0, bytes);
      this.pass(stage.subarray(0, bytes), stage);
    }
    this.adapt(bytes);
    return this.mayReadOn(bytes) && !this.isWriting;
  }

  takeChunk(chunk: Buffer): void {
    if (this.broken) return;
    this.note(chunk, chunk.length);
    this.pass(chunk, undefined);
    if (!this.mayReadOn(chunk.length) || this.isWriting) this.stopReading();
  }

  onBudget(): void {
    this.heldByBudget = false;
    this.readOn();
  }

  onSocketEnd(): void {
    this.ended = true;
    this.settle();
    if (this.isWriting) this.endQueued = true;
    else this.endOther();
  }

  onSocketError(cause: Error): void {
    this.error ??= new HboneError('socket', { cause });
  }

  onSocketGone(): void {
    if (this.gone) return;
    this.gone = true;
    this.budget?.forget(this);
    this.releaseBulk();
    if (!this.broken && !(this.ended && this.peer.ended)) this.break(new HboneError('socket'), peerReset());
    const { onDone, bytesSent, bytesReceived, error } = this;
    this.onDone = undefined;
    onDone?.(error === undefined ? { bytesSent, bytesReceived } : { bytesSent, bytesReceived, error });
    this.finishIfOver();
  }

  onWriteDone(status: number): void {
    this.isWriting = false;
    this.writingBytes = 0;
    this.releaseWritten();
    if (this.gone) this.releaseBulk();
    const to = this.peer.socket;
    if (this.broken || to === undefined || to.destroyed) return;
    if (status < 0) to.destroy(systemError(status));
    else this.goOn();
  }

  writeGathered(chunk: Uint8Array): boolean {
    this.isGathered = false;
    const to = this.peer.socket;
    if (this.broken || to === undefined || to.destroyed) return false;
    if (this.isWriting) {
      this.queue ??= new ChunkQueue();
      this.queue.append(chunk);
      return false;
    }
    this.write(to, chunk, undefined);
    if (this.isWriting) this.stopReading();
    return this.isWriting;
  }

  private get peer(): LocalEnd {
    return this.other ?? bug('one end of a tunnel alone');
  }

  /** Whether the budget, if there is one, lets the socket be read on after a read of `bytes`. */
  private mayReadOn(bytes: number): boolean {
    if (this.budget === null || this.budget.take(bytes, this)) return true;
    this.heldByBudget = true;
    return false;
  }

  /** Begins once both sockets are there. */
  private join(): void {
    const { peer } = this;
    if (this.socket === undefined || peer.socket === undefined) return;
    for (const end of [this, peer]) {
      // A socket that is gone by now has said so, or will.
      if (end.socket !== undefined) prepareReads(end.socket, end, this.internals, end.memoryOfNextRead);
    }
    this.readOn();
    peer.readOn();
  }

  // Undefined where nothing changes: Node looks into whatever it is given, after every read.
  private readonly memoryOfNextRead = (): Buffer | undefined => {
    const memory = this.bulk ?? sourceRead;
    if (memory === this.readMemory) return undefined;
    this.readMemory = memory;
    return memory;
  };

  /** The first `bytes` of `memory` were brought. */
  private note(memory: Buffer, bytes: number): void {
    const { peer } = this;
    this.bytesSent += bytes;
    peer.bytesReceived += bytes;
    this.segments++;
    peer.segments++;
    if (this.tap !== null) this.tap.onSent(memory, 0, bytes);
    if (peer.tap !== null) peer.tap.onReceived(memory, 0, bytes);
  }

  /** What was gathered goes before what comes now. */
  private settle(): void {
    if (this.isGathered) writeGatherer.flush();
  }

  /** `chunk` stays as it is until it has left. */
  private pass(chunk: Buffer, stage: Buffer | undefined): void {
    this.settle();
    const to = this.peer.socket;
    if (to === undefined || to.destroyed) {
      if (stage !== undefined) giveStage(stage);
    } else if (this.isWriting) {
      this.queue ??= new ChunkQueue();
      this.queue.append(chunk);
      if (stage !== undefined) giveStage(stage);
    } else {
      this.write(to, chunk, stage);
    }
  }

  /** Writes what was queued, then does what waited for it. */
  private goOn(): void {
    const to = this.peer.socket;
    for (let next = this.queue?.shift(); next !== undefined && to !== undefined; next = this.queue?.shift()) {
      this.write(to, next.chunk, undefined);
      if (this.isWriting || to.destroyed) return;
    }
    this.queue = undefined;
    if (this.endQueued) this.endOther();
    else this.readOn();
  }

  private write(to: PlainSocket, chunk: Uint8Array, stage: Buffer | undefined): void {
    const result = this.writes.writeNow(to, chunk, this);
    if (result === 1) {
      this.isWriting = true;
      this.writingBytes = chunk.length;
      this.written = stage;
      return;
    }
    if (stage !== undefined) giveStage(stage);
    if (result < 0) to.destroy(systemError(result));
  }

  /** Chooses where the next read lands. */
  private adapt(bytes: number): void {
    if (this.bulk === undefined) {
      if (bytes >= BULK_READ_BYTES) this.bulk = takeBulkStage();
    } else if (bytes < SMALL_READ_BYTES && !this.isWriting) {
      this.releaseBulk();
    }
  }

  private endOther(): void {
    const { peer } = this;
    const to = peer.socket;
    if (to === undefined || to.destroyed) return;
    // With nothing left to read or to write, closing sends the same FIN as shutting down first, for less work.
    if (peer.ended && !peer.isWriting && to.writableLength === 0) to.destroy();
    else to.end();
  }

  /** Ends both sides by reset. */
  private break(own: HboneError, others: HboneError): void {
    const { peer } = this;
    if (this.broken || (this.gone && peer.gone)) return;
    this.broken = true;
    peer.broken = true;
    this.error ??= own;
    peer.error ??= others;
    for (const end of [this, peer]) if (end.socket !== undefined && !end.gone) resetSocket(end.socket);
    this.finishIfOver();
  }

  private finishIfOver(): void {
    const { peer } = this;
    const isOver = (end: LocalEnd): boolean => end.gone || (end.broken && end.socket === undefined);
    if (!isOver(this) || !isOver(peer)) return;
    const { onOver } = this;
    this.onOver = undefined;
    peer.onOver = undefined;
    onOver?.();
  }

  private readOn(): void {
    const { socket } = this;
    if (socket === undefined || this.broken || this.isWriting || this.heldByBudget) return;
    if (this.internals === undefined) socket.resume();
    else this.internals.startReading(socket);
  }

  private stopReading(): void {
    const { socket } = this;
    if (socket === undefined) return;
    if (this.internals === undefined) socket.pause();
    else this.internals.stopReading(socket);
  }

  private releaseWritten(): void {
    if (this.written !== undefined) giveStage(this.written);
    this.written = undefined;
  }

  private releaseBulk(): void {
    if (this.bulk === undefined || this.isWriting) return;
    giveStage(this.bulk);
    this.bulk = undefined;
  }
}

function peerReset(): HboneError {
  return new HboneError('reset', { data: { http2Code: Http2Code.connectError } });
}
