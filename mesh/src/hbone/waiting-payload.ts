import { giveStage, takeBulkStage } from './read-memory.ts';

/** From here on bytes are worth memory that is used again. */
const STAGE_WORTH_BYTES = 16 * 1024;
const FIRST_BLOCK_BYTES = 1024;

interface Block {
  readonly memory: Buffer;
  readonly isStage: boolean;
  /** What of it is still to leave. */
  start: number;
  end: number;
}

/**
 * Payload of one stream that waits for credit, first in first out. It is copied: much into memory that goes from stream to stream,
 * since memory made for each read is what a collector is called for, and small pieces together, since a peer that grants nothing
 * must not cost us an object per byte.
 */
export class WaitingPayload {
  private readonly blocks: Block[] = [];
  private waitingBytes = 0;

  get bytes(): number {
    return this.waitingBytes;
  }

  /** Keeps a copy of `[start, end)` of `memory`. */
  append(memory: Buffer, start: number, end: number): void {
    this.waitingBytes += end - start;
    for (let at = start; at < end; ) {
      const block = this.blockFor(end - at);
      const bytes = memory.copy(block.memory, block.end, at, end);
      block.end += bytes;
      at += bytes;
    }
  }

  /** What comes first: `[start, end)` of `memory`, until `drop`. */
  peek(): { readonly memory: Buffer; readonly start: number; readonly end: number } | undefined {
    return this.blocks[0];
  }

  /** The first `bytes`, at most what `peek` shows, have left. */
  drop(bytes: number): void {
    const [block] = this.blocks;
    if (block === undefined) return;
    this.waitingBytes -= bytes;
    block.start += bytes;
    if (block.start < block.end) return;
    this.blocks.shift();
    if (block.isStage) giveStage(block.memory);
  }

  /** Nothing of it will leave. */
  clear(): void {
    for (let first = this.peek(); first !== undefined; first = this.peek()) this.drop(first.end - first.start);
  }

  /** The last block when it has room, or another one for `bytes`. */
  private blockFor(bytes: number): Block {
    const last = this.blocks.at(-1);
    if (last !== undefined && last.end < last.memory.length) return last;
    const isStage = bytes >= STAGE_WORTH_BYTES;
    const ownBytes = last === undefined ? FIRST_BLOCK_BYTES : STAGE_WORTH_BYTES;
    const memory = isStage ? takeBulkStage() : Buffer.allocUnsafeSlow(Math.max(bytes, ownBytes));
    const block: Block = { memory, isStage, start: 0, end: 0 };
    this.blocks.push(block);
    return block;
  }
}
