import { Duplex } from 'node:stream';

/**
 * Two connected byte streams without sockets: what one writes the other reads, with back-pressure and half-close. Destroying
 * one destroys the other, with ECONNRESET when there was an error.
 */
export function createDuplexPair(options: { readonly highWaterMarkBytes?: number } = {}): readonly [Duplex, Duplex] {
  const highWaterMark = options.highWaterMarkBytes ?? 64 * 1024;
  const left = new MemoryDuplex({ highWaterMark, allowHalfOpen: true });
  const right = new MemoryDuplex({ highWaterMark, allowHalfOpen: true });
  left.connect(right);
  right.connect(left);
  return [left, right];
}

class MemoryDuplex extends Duplex {
  #peer: MemoryDuplex | null = null;
  #resume: (() => void) | null = null;

  connect(peer: MemoryDuplex): void {
    this.#peer = peer;
  }

  override _read(): void {
    // Forgotten before it is called: it may bring the next chunk and its own callback.
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#peer?.receive(Buffer.from(chunk), callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#peer?.receive(null, callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const peer = this.#peer;
    this.#peer = null;
    this.#resume?.();
    if (peer !== null && !peer.destroyed && (error !== null || !this.writableFinished)) {
      setImmediate(() => peer.destroy(Object.assign(new Error('peer closed'), { code: 'ECONNRESET' })));
    }
    callback(error);
  }

  receive(chunk: Buffer | null, callback: () => void): void {
    if (this.destroyed) callback();
    else if (this.push(chunk) || chunk === null) callback();
    else this.#resume = callback;
  }
}
