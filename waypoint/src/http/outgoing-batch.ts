import type { Carrier } from '@ambit/mesh/hbone';
import { CHUNK_END, CHUNK_OVERHEAD_MAX_BYTES, type HeadWriter, writeChunk, writeChunkHead } from '@ambit/mesh/http1';

const BATCH_BYTES = 64 * 1024;
/** From here on bytes are worth a write of their own instead of a copy. */
const LARGE_BYTES = 8 * 1024;
/** A head larger than the batch gets memory of its own, up to this. */
const HEAD_MAX_BYTES = 256 * 1024;

/** Writes heads. */
export interface HeadComposer {
  /** Begins a head, or trailers, at `at` of `memory` and writes all of it but its end. May be asked again with more room. */
  compose(writer: HeadWriter, memory: Buffer, at: number): void;
}

/**
 * Puts a head and what follows it together, so that they leave in one write. It has one target at a time and is flushed before
 * its user returns to the event loop.
 */
export class OutgoingBatch {
  readonly #memory: Buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #at = 0;
  #target: Carrier | undefined;
  #taken = true;

  /** Everything from now on goes to `target`. */
  begin(target: Carrier): void {
    if (target === this.#target) return;
    this.flush();
    this.#target = target;
    this.#taken = true;
  }

  bytes(memory: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length >= LARGE_BYTES) {
      this.#flushMemory();
      this.#write(memory, start, end);
      return;
    }
    this.#reserve(length);
    this.#at += memory.copy(this.#memory, this.#at, start, end);
  }

  chunk(memory: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length < LARGE_BYTES) {
      this.#reserve(length + CHUNK_OVERHEAD_MAX_BYTES);
      this.#at = writeChunk(this.#memory, this.#at, memory, start, end);
      return;
    }
    this.#reserve(CHUNK_OVERHEAD_MAX_BYTES);
    this.#at = writeChunkHead(this.#memory, this.#at, length);
    this.bytes(memory, start, end);
    this.bytes(CHUNK_END, 0, CHUNK_END.length);
  }

  /** False when the head cannot be written. */
  head(writer: HeadWriter, composer: HeadComposer): boolean {
    let end = compose(writer, composer, this.#memory, this.#at);
    if (end < 0 && writer.problem === 'no-room') {
      this.#flushMemory();
      end = compose(writer, composer, this.#memory, 0);
    }
    if (end >= 0) {
      this.#at = end;
      return true;
    }
    if (writer.problem !== 'no-room') return false;
    const memory = Buffer.allocUnsafeSlow(HEAD_MAX_BYTES);
    end = compose(writer, composer, memory, 0);
    if (end < 0) return false;
    this.#write(memory, 0, end);
    return true;
  }

  /** Sends what there is. False: the target wants no more for now, since `begin`. */
  flush(): boolean {
    this.#flushMemory();
    const taken = this.#taken;
    this.#taken = true;
    this.#target = undefined;
    return taken;
  }

  #flushMemory(): void {
    const end = this.#at;
    this.#at = 0;
    if (end > 0) this.#write(this.#memory, 0, end);
  }

  #write(memory: Buffer, start: number, end: number): void {
    if (this.#target?.write(memory, start, end) === false) this.#taken = false;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes > BATCH_BYTES) this.#flushMemory();
  }
}

function compose(writer: HeadWriter, composer: HeadComposer, memory: Buffer, at: number): number {
  composer.compose(writer, memory, at);
  return writer.end();
}
