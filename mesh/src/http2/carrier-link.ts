import { EventEmitter } from 'node:events';
import type { ByteLink } from '../hbone/byte-link.ts';
import type { Carrier, CarrierReader, CarrierResult } from '../hbone/carrier.ts';
import { atTurnEnd } from '../runtime/turn-end.ts';

/**
 * A carrier as what an HTTP/2 connection stands on; owned from now on. It is a `CarrierReader`: `start` makes it the carrier's, or
 * whoever has found out that HTTP/2 is spoken hands on what it reads.
 */
export class CarrierLink extends EventEmitter implements ByteLink, CarrierReader {
  private readonly carrier: Carrier;
  private readsItself = false;
  /** Of the write that waits for the carrier. */
  private done: (() => void) | undefined;
  private remoteEnded = false;

  constructor(carrier: Carrier) {
    super();
    this.carrier = carrier;
  }

  /** Reads from when a connection listens: what has come before is for it. */
  start(): this {
    this.readsItself = true;
    return this;
  }

  override on(event: string, listener: Parameters<EventEmitter['on']>[1]): this {
    super.on(event, listener);
    if (event === 'data' && this.readsItself) this.carrier.read(this);
    return this;
  }

  write(bytes: Buffer, done: () => void): void {
    // The carrier has copied them when this returns.
    if (this.carrier.closed) return;
    if (this.carrier.write(bytes)) atTurnEnd(done);
    else this.done = done;
  }

  end(): void {
    this.carrier.end();
  }

  destroy(): void {
    if (this.carrier.closed) return;
    // The peer has said all it had to say: what we have said may still reach it, unless it waits for a peer that may never read.
    if (this.remoteEnded && this.done === undefined) this.carrier.end();
    else this.carrier.reset();
  }

  onBytes(memory: Buffer, start: number, end: number): void {
    this.emit('data', memory.subarray(start, end));
  }

  onEnd(): void {
    this.remoteEnded = true;
    this.emit('end');
  }

  onDrain(): void {
    const { done } = this;
    this.done = undefined;
    if (done !== undefined) atTurnEnd(done);
  }

  onClose({ error }: CarrierResult): void {
    if (error !== undefined) this.emit('error', error);
    this.emit('close');
  }
}

/** Of a tunnel: below it there is another connection that gathers what leaves. */
export class TunnelLink extends CarrierLink {
  /** Called after each read, when all that came in it has been worked off: what it has led to may leave. */
  afterRead: (() => void) | undefined;

  override onBytes(memory: Buffer, start: number, end: number): void {
    super.onBytes(memory, start, end);
    this.afterRead?.();
  }
}
