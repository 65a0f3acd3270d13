import type { TLSSocket } from 'node:tls';
import { type Carrier, type CarrierReader, type CarrierResult, HboneError } from '@ambit/mesh/hbone';

/** The bytes inside a TLS connection whose handshake is done. Owns the socket from now on. */
export class SecureCarrier implements Carrier {
  bytesSent = 0;
  bytesReceived = 0;
  closed = false;
  readonly #socket: TLSSocket;
  readonly #cut: () => void;
  #reader: CarrierReader | undefined;
  #error: HboneError | undefined;
  /** Until somebody reads, nothing is to be taken from the socket. */
  #paused = false;

  /** `cut` ends what carries the socket at once. */
  constructor(socket: TLSSocket, cut: () => void) {
    this.#socket = socket;
    this.#cut = cut;
    socket.on('error', (cause) => (this.#error ??= new HboneError('socket', { cause })));
    socket.on('close', () => this.#onSocketGone());
  }

  read(reader: CarrierReader): void {
    this.#reader = reader;
    if (this.closed) {
      this.#tellClosed();
      return;
    }
    const socket = this.#socket;
    socket.on('drain', () => this.#reader?.onDrain?.());
    socket.on('end', () => {
      if (!this.closed) this.#reader?.onEnd();
    });
    socket.on('data', (chunk: Buffer) => {
      if (this.closed) return;
      this.bytesReceived += chunk.length;
      this.#reader?.onBytes(chunk, 0, chunk.length);
    });
    if (this.#paused) socket.pause();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  write(memory: Buffer, start = 0, end: number = memory.length): boolean {
    const socket = this.#socket;
    if (this.closed || start === end || !socket.writable) return true;
    this.bytesSent += end - start;
    return socket.write(Buffer.from(memory.subarray(start, end)));
  }

  end(): void {
    if (!this.closed) this.#socket.end();
  }

  reset(): void {
    if (this.closed) return;
    this.#socket.destroy();
    this.#cut();
    this.#finish();
  }

  #onSocketGone(): void {
    // Both directions have ended in order, or somebody cut it.
    if (!this.#socket.readableEnded || !this.#socket.writableFinished) this.#error ??= new HboneError('socket');
    this.#finish();
  }

  #finish(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.#reader !== undefined) this.#tellClosed();
  }

  #tellClosed(): void {
    const { bytesSent, bytesReceived } = this;
    const counts: CarrierResult = { bytesSent, bytesReceived };
    this.#reader?.onClose(this.#error === undefined ? counts : { ...counts, error: this.#error });
  }
}
