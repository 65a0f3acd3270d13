import { bug } from '@ambit/mesh/runtime';

const LENGTH_BYTES = 2;
/** A chunk of one byte costs hundreds: whoever sends a message byte by byte must not be kept byte by byte. */
const CHUNKS_MAX = 32;

/** Takes messages out of a stream in which each has its length before it (RFC 1035 4.2.2). Holds at most one message and the last chunk. */
export class MessageFramer {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#chunks.length > CHUNKS_MAX) this.#join();
  }

  /** The next whole message, without its length; null while it is not there. Holds until the next call. */
  next(): Buffer | null {
    if (this.#bytes < LENGTH_BYTES) return null;
    const length = this.#peekLength();
    if (this.#bytes < LENGTH_BYTES + length) return null;
    const all = this.#join();
    const rest = all.subarray(LENGTH_BYTES + length);
    this.#bytes = rest.length;
    this.#chunks.splice(0, 1, ...(rest.length === 0 ? [] : [rest]));
    return all.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
  }

  #peekLength(): number {
    const first = this.#chunks[0] ?? bug('bytes without a chunk');
    return first.length >= LENGTH_BYTES ? first.readUInt16BE(0) : this.#join().readUInt16BE(0);
  }

  #join(): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && this.#chunks.length === 1) return first;
    const joined = Buffer.concat(this.#chunks, this.#bytes);
    this.#chunks.splice(0, this.#chunks.length, joined);
    return joined;
  }
}

/** `message` with its length before it. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + message.length);
  frame.writeUInt16BE(message.length, 0);
  frame.set(message, LENGTH_BYTES);
  return frame;
}
