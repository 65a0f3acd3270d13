import { atTurnEnd } from '../runtime/turn-end.ts';
import { FlushThreshold } from './flush-threshold.ts';
import { viewOf } from './read-memory.ts';

/** Whose writes are gathered. */
export interface GatheredWriter {
  /** Writes `chunk`, and begins nothing else. True: the kernel goes on reading its memory, which nobody may change any more. */
  writeGathered(chunk: Uint8Array): boolean;
}

/** Less than all, which the busiest of late turns comes down to only ever more slowly: a lone socket would wait. */
const SHARE = 0.9;
const MEMORY_BYTES = 256 * 1024;
/** Larger writes are not worth a copy. */
export const GATHERED_MAX_BYTES: number = 16 * 1024;

/**
 * Gathers the small writes of all plaintext sockets of this thread, so that they leave one behind the other and not between the
 * reads of a loop turn. A write wakes whoever waits at the other end, and waking a core that sleeps costs more than all the rest
 * of it; in a row of writes the first has done that for all. They leave when nearly all that a busy turn has is there, which with one
 * busy socket is at once, and at the end of the turn (see `FlushThreshold`): two rows cost a waypoint with 32 connections 2 % more CPU.
 */
export class WriteGatherer {
  private memory: Buffer = Buffer.allocUnsafeSlow(MEMORY_BYTES);
  private at = 0;
  /** In order; both are longer than `count` after a busy turn. */
  private readonly writers: GatheredWriter[] = [];
  private readonly starts: number[] = [];
  private count = 0;
  private scheduled = false;
  private readonly threshold = new FlushThreshold(SHARE);
  private readonly onTurnEnd = (): void => {
    this.scheduled = false;
    this.flush();
    // Nobody's sockets are kept from being collected.
    this.writers.length = 0;
    this.threshold.endTurn();
  };

  /** Takes a copy of `[start, end)`, at most `GATHERED_MAX_BYTES`. Whether it waits: else it has been written. */
  add(writer: GatheredWriter, memory: Buffer, start: number, end: number): boolean {
    if (this.at + end - start > MEMORY_BYTES) this.flush();
    if (this.count === 0 || this.writers[this.count - 1] !== writer) {
      this.writers[this.count] = writer;
      this.starts[this.count] = this.at;
      this.count += 1;
    }
    this.at += memory.copy(this.memory, this.at, start, end);
    if (!this.scheduled) {
      this.scheduled = true;
      atTurnEnd(this.onTurnEnd);
    }
    if (!this.threshold.staged()) return true;
    this.flush();
    return false;
  }

  /** Writes all there is. */
  flush(): void {
    const { count, writers, starts } = this;
    const { memory } = this;
    const end = this.at;
    this.count = 0;
    this.at = 0;
    let isKept = false;
    for (let i = 0; i < count; i += 1) {
      const start = starts[i] ?? 0;
      const to = i + 1 < count ? (starts[i + 1] ?? end) : end;
      if (writers[i]?.writeGathered(viewOf(memory, start, to)) === true) isKept = true;
    }
    if (isKept) this.memory = Buffer.allocUnsafeSlow(MEMORY_BYTES);
  }
}

/** Of this thread (see `read-memory.ts`). */
export const writeGatherer: WriteGatherer = new WriteGatherer();
