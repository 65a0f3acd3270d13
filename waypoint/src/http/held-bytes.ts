const FIRST_BLOCK_BYTES = 1024;
const BLOCK_BYTES = 16 * 1024;

interface Block {
  readonly memory: Buffer;
  start: number;
  end: number;
}

/**
 * Bytes that have arrived and cannot be looked at yet, as copies in order. What may pile up is bounded by whoever sends: a
 * carrier that is paused brings at most one read, or one window of a tunnel, more. Small pieces share a block, so that a peer
 * that sends byte by byte costs no object per byte.
 */
export class HeldBytes {
  #blocks: Block[] = [];
  /** Memory that is taken, whether it is in use or not. */
  bytes = 0;

  get isEmpty(): boolean {
    return this.#blocks.length === 0;
  }

  push(memory: Buffer, start: number, end: number): void {
    if (start === end) return;
    const last = this.#blocks.at(-1);
    let from = start;
    if (last !== undefined) {
      const copied = memory.copy(last.memory, last.end, start, Math.min(end, start + last.memory.length - last.end));
      last.end += copied;
      from += copied;
    }
    if (from === end) return;
    const room = Math.max(end - from, last === undefined ? FIRST_BLOCK_BYTES : BLOCK_BYTES);
    const block = Buffer.allocUnsafeSlow(room);
    this.bytes += room;
    this.#blocks.push({ memory: block, start: 0, end: memory.copy(block, 0, from, end) });
  }

  /** The first bytes, or undefined. They stay until `drop`. */
  peek(): { readonly memory: Buffer; readonly start: number; readonly end: number } | undefined {
    return this.#blocks[0];
  }

  /** Lets go of what `peek` showed before position `at`. */
  drop(at: number): void {
    const first = this.#blocks[0];
    if (first === undefined) return;
    first.start = at;
    if (first.start < first.end) return;
    this.#blocks.shift();
    this.bytes -= first.memory.length;
  }

  clear(): void {
    this.#blocks = [];
    this.bytes = 0;
  }
}
