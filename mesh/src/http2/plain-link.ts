import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { ByteLink } from '../hbone/byte-link.ts';
import {
  publicWrites,
  readInternals,
  type SocketWrites,
  systemError,
  type WriteOwner,
  writeInternals,
} from '../hbone/node-internals.ts';
import { sourceRead } from '../hbone/read-memory.ts';
import { ownSocket, prepareReads, type SocketOwner } from '../hbone/spliced-socket.ts';

/**
 * A plaintext TCP socket as what an HTTP/2 connection stands on; owned from now on. Unlike TLS the kernel reads what is written
 * when it has room, so all of it is copied.
 */
export class PlainLink extends EventEmitter implements ByteLink, SocketOwner, WriteOwner {
  private readonly socket: Socket;
  private readonly writes: SocketWrites = writeInternals ?? publicWrites;
  private done: (() => void) | undefined;

  /** `socket` is connected and has not been read from. */
  constructor(socket: Socket) {
    super();
    this.socket = socket;
    socket.setNoDelay(true);
    ownSocket(socket, this);
  }

  override on(event: string, listener: Parameters<EventEmitter['on']>[1]): this {
    super.on(event, listener);
    if (event === 'data') this.read();
    return this;
  }

  write(bytes: Buffer, done: () => void): void {
    if (this.socket.destroyed) return;
    const result = this.writes.writeNow(this.socket, Buffer.from(bytes), this);
    if (result === 0) setImmediate(done);
    else if (result === 1) this.done = done;
    else this.socket.destroy(systemError(result));
  }

  end(): void {
    this.socket.end();
  }

  destroy(cause?: Error): void {
    this.socket.destroy(cause);
  }

  onWriteDone(status: number): void {
    const { done } = this;
    this.done = undefined;
    if (status < 0) this.socket.destroy(systemError(status));
    else done?.();
  }

  takeRead(bytes: number): boolean {
    // Whoever listens has copied what it keeps when this returns.
    this.emit('data', sourceRead.subarray(0, bytes));
    return true;
  }

  takeChunk(chunk: Buffer): void {
    this.emit('data', chunk);
  }

  onSocketEnd(): void {
    this.emit('end');
  }

  onSocketError(cause: Error): void {
    this.emit('error', cause);
  }

  onSocketGone(): void {
    this.emit('close');
  }

  private read(): void {
    prepareReads(this.socket, this, readInternals);
    readInternals?.startReading(this.socket);
  }
}
