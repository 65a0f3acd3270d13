import type { RecordSlab } from './read-memory.ts';

export interface QueuedChunk {
  readonly chunk: Buffer;
  /** Pinned for the chunk; absent when the chunk is a copy. */
  readonly slab: RecordSlab | undefined;
}

interface Block {
  readonly memory: Buffer;
  readonly slab: RecordSlab | undefined;
  fill: number;
}

const FIRST_BLOCK_BYTES = 1024;
const BLOCK_BYTES = 16 * 1024;

/**
 * Bytes that wait, first in first out. Small pieces are copied together into blocks: a peer that sends its whole window byte
 * by byte must not cost us an object per byte.
 */
export class ChunkQueue {
  private readonly blocks: Block[] = [];
  private waitingBytes = 0;

  get bytes(): number {
    return this.waitingBytes;
  }

  /** Keeps a copy of `chunk`. */
  append(chunk: Uint8Array): void {
    this.waitingBytes += chunk.length;
    const last = this.blocks.at(-1);
    let rest = chunk;
    if (last !== undefined && last.slab === undefined) {
      const bytes = Math.min(rest.length, last.memory.length - last.fill);
      last.memory.set(rest.subarray(0, bytes), last.fill);
      last.fill += bytes;
      rest = rest.subarray(bytes);
    }
    if (rest.length === 0) return;
    const memory = Buffer.allocUnsafeSlow(Math.max(rest.length, last === undefined ? FIRST_BLOCK_BYTES : BLOCK_BYTES));
    memory.set(rest);
    this.blocks.push({ memory, slab: undefined, fill: rest.length });
  }

  /** Keeps `chunk` itself, for which the caller has pinned `slab`. */
  push(chunk: Buffer, slab: RecordSlab): void {
    this.waitingBytes += chunk.length;
    this.blocks.push({ memory: chunk, slab, fill: chunk.length });
  }

  shift(): QueuedChunk | undefined {
    const block = this.blocks.shift();
    if (block === undefined) return undefined;
    this.waitingBytes -= block.fill;
    return { chunk: block.memory.subarray(0, block.fill), slab: block.slab };
  }
}
