import { EventEmitter } from 'node:events';
import type { ByteLink } from '../hbone/byte-link.ts';
import type { CarrierReader, CarrierResult } from '../hbone/carrier.ts';
import type { TunnelStream } from '../hbone/tunnel.ts';

/**
 * A tunnelled stream as what an HTTP/2 connection stands on. It is a `CarrierReader`: `start` makes it the stream's, or whoever
 * has found out that HTTP/2 is spoken hands on what it reads. The stream is owned from now on.
 */
export class TunnelLink extends EventEmitter implements ByteLink, CarrierReader {
  /** Called after each read, when all that came in it has been worked off: what it has led to may leave. */
  afterRead: (() => void) | undefined;
  private readonly stream: TunnelStream;
  /** Of the write that waits for the tunnel. */
  private done: (() => void) | undefined;
  private remoteEnded = false;

  constructor(stream: TunnelStream) {
    super();
    this.stream = stream;
  }

  /** Begins to read. */
  start(): this {
    this.stream.read(this);
    return this;
  }

  write(bytes: Buffer, done: () => void): void {
    // The tunnel has copied them when this returns.
    if (this.stream.closed) return;
    if (this.stream.write(bytes)) setImmediate(done);
    else this.done = done;
  }

  end(): void {
    this.stream.end();
  }

  destroy(): void {
    if (this.stream.closed) return;
    // The peer has said all it had to say: what we have said may still reach it.
    if (this.remoteEnded) this.stream.end();
    else this.stream.reset();
  }

  onBytes(memory: Buffer, start: number, end: number): void {
    this.emit('data', memory.subarray(start, end));
    this.afterRead?.();
  }

  onEnd(): void {
    this.remoteEnded = true;
    this.emit('end');
  }

  onDrain(): void {
    const { done } = this;
    this.done = undefined;
    if (done !== undefined) setImmediate(done);
  }

  onClose({ error }: CarrierResult): void {
    if (error !== undefined) this.emit('error', error);
    this.emit('close');
  }
}
