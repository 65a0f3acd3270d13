import { ChunkQueue } from './chunk-queue.ts';
import { sendNow } from './direct-send.ts';
import { type SocketWrites, systemError, type WriteOwner } from './node-internals.ts';
import type { PlainSocket } from './plain-socket.ts';
import { type RecordSlab, viewOf } from './read-memory.ts';

/** Chunks below this are copied rather than pinning the slab they lie in while their socket is behind. */
const PIN_WORTH_BYTES = 32 * 1024;

/** Takes back credit for bytes that need no memory any more: a stream. */
export interface CreditReturn {
  release(bytes: number): void;
}

/**
 * Writes to a plaintext socket, one write at a time, and keeps what the kernel does not take at once. What it keeps is
 * bounded by the credit of the peer, which is given back only for bytes that have left.
 */
export class SocketOutlet implements WriteOwner {
  private readonly socket: PlainSocket;
  private readonly writes: SocketWrites;
  private readonly credit: CreditReturn;
  private queue: ChunkQueue | undefined;
  private writingBytes = 0;
  private writingSlab: RecordSlab | undefined;
  /** What becomes of the socket once everything has left. */
  private finish: 'nothing' | 'end' | 'close' = 'nothing';

  constructor(socket: PlainSocket, writes: SocketWrites, credit: CreditReturn) {
    this.socket = socket;
    this.writes = writes;
    this.credit = credit;
  }

  get isBehind(): boolean {
    return this.writingBytes > 0;
  }

  /** What the kernel has not taken yet. */
  get waitingBytes(): number {
    return this.writingBytes + (this.queue?.bytes ?? 0);
  }

  /** As `StreamSink.onBytes`. */
  write(memory: Buffer, start: number, end: number, slab: RecordSlab | undefined): boolean {
    if (this.socket.destroyed) {
      this.credit.release(end - start);
      return true;
    }
    if (this.writingBytes === 0) {
      const sent = sendNow(this.socket, memory, start, end);
      if (sent < 0) {
        this.credit.release(end - start);
        this.socket.destroy(systemError(sent));
        return true;
      }
      const at = start + sent;
      if (sent > 0) this.credit.release(sent);
      if (at === end || !this.begin(viewOf(memory, at, end), slab)) return true;
      slab?.pin();
      return false;
    }
    const chunk = memory.subarray(start, end);
    this.queue ??= new ChunkQueue();
    if (slab === undefined || chunk.length < PIN_WORTH_BYTES) {
      this.queue.append(chunk);
      return true;
    }
    slab.pin();
    this.queue.push(chunk, slab);
    return false;
  }

  /** Sends FIN behind what was written. */
  end(): void {
    this.finishWith('end');
  }

  /** Closes the socket behind what was written. */
  close(): void {
    this.finishWith('close');
  }

  /** The socket is gone: what waits is dropped. */
  drop(): void {
    for (let next = this.queue?.shift(); next !== undefined; next = this.queue?.shift()) {
      next.slab?.unpin();
      this.credit.release(next.chunk.length);
    }
  }

  onWriteDone(status: number): void {
    const bytes = this.writingBytes;
    this.writingBytes = 0;
    this.writingSlab?.unpin();
    this.writingSlab = undefined;
    this.credit.release(bytes);
    if (this.socket.destroyed) this.drop();
    else if (status < 0) this.socket.destroy(systemError(status));
    else this.goOn();
  }

  private goOn(): void {
    for (let next = this.queue?.shift(); next !== undefined; next = this.queue?.shift()) {
      if (this.begin(next.chunk, next.slab)) return;
      next.slab?.unpin();
    }
    this.queue = undefined;
    if (this.finish !== 'nothing' && !this.socket.destroyed) this.finishWith(this.finish);
  }

  /** Begins a write; true when it has to wait for the kernel. */
  private begin(chunk: Uint8Array, slab: RecordSlab | undefined): boolean {
    const result = this.writes.writeNow(this.socket, chunk, this);
    if (result === 1) {
      this.writingBytes = chunk.length;
      this.writingSlab = slab;
      return true;
    }
    this.credit.release(chunk.length);
    if (result < 0) this.socket.destroy(systemError(result));
    return false;
  }

  private finishWith(how: 'end' | 'close'): void {
    if (this.writingBytes > 0) this.finish = how;
    else if (how === 'close') this.socket.destroySoon();
    else this.socket.end();
  }
}
