import { Duplex } from 'node:stream';
import type { Clock } from '../runtime/clock.ts';
import type { Carrier, CarrierReader, CarrierResult } from './carrier.ts';

/** What is read ahead; a carrier that was paused still brings what is in flight, of a tunnel at most one window. */
const READ_AHEAD_BYTES = 64 * 1024;
/** How long the other end may take to close what has ended in order inside. */
const LINGER_MS = 5000;

/** A carrier as Node's TLS wants it, with half-close and back-pressure both ways. Owns the carrier from now on. */
export class CarrierDuplex extends Duplex implements CarrierReader {
  readonly #carrier: Carrier;
  readonly #clock: Clock;
  #timer: Disposable | undefined;
  #paused = false;
  /** The write that the carrier has not taken yet. */
  #onWritten: ((error?: Error | null) => void) | undefined;

  constructor(carrier: Carrier, clock: Clock) {
    super({ readableHighWaterMark: READ_AHEAD_BYTES, allowHalfOpen: true });
    this.#carrier = carrier;
    this.#clock = clock;
    carrier.read(this);
  }

  /** Ends both directions at once. */
  cut(): void {
    this.#carrier.reset();
    this.destroy();
  }

  onBytes(memory: Buffer, start: number, end: number): void {
    if (this.destroyed || this.push(Buffer.from(memory.subarray(start, end)))) return;
    this.#paused = true;
    this.#carrier.pause();
  }

  onEnd(): void {
    if (!this.destroyed) this.push(null);
  }

  onDrain(): void {
    this.#finishWrite();
  }

  onClose({ error }: CarrierResult): void {
    this.#timer?.[Symbol.dispose]();
    // In order both directions have ended, and the stream ends by itself once everything is read.
    if (error !== undefined) this.destroy(error);
    else this.#finishWrite();
  }

  override _read(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#carrier.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#carrier.write(chunk)) callback();
    else this.#onWritten = callback;
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#carrier.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (error !== null || !this.writableFinished) this.#carrier.reset();
    else if (!this.#carrier.closed) {
      // TLS has ended, what carries it has not: a reset could overtake our last bytes.
      this.#timer = this.#clock.setTimer(LINGER_MS, () => this.#carrier.reset());
      this._read();
    }
    this.#finishWrite();
    callback(error);
  }

  #finishWrite(): void {
    const done = this.#onWritten;
    this.#onWritten = undefined;
    done?.();
  }
}
