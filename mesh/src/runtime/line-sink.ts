import { writev, writeSync } from 'node:fs';
import type { Clock } from './clock.ts';

/** A line that writes itself, so that no text of it need be made. */
export interface WritableLine {
  /** It takes no more bytes than this, its line feed included. */
  readonly bytesMax: number;
  /** Writes the whole line from `at` on; says where it ends. */
  writeTo(memory: Buffer, at: number): number;
}

export interface LineSink {
  /** Takes one whole line with its line feed. Never blocks: a line that finds the buffer full is dropped and counted. */
  write(line: string): void;
  /** Lines dropped since the start. */
  readonly dropped: number;
  /** Resolves when everything taken so far is written, or after `FLUSH_MS_MAX` when the reader is stuck. Never rejects. */
  flush(): Promise<void>;
  /** Writes what is buffered before the process ends; blocks. */
  flushSync(): void;
}

/** Takes lines that write themselves as well. */
export interface WritableLineSink extends LineSink {
  /** As `write`; the line writes itself before this returns, or never. */
  writeLine(line: WritableLine): void;
}

export interface LineSinkOptions {
  readonly fd: number;
  readonly clock: Clock;
  /** Bytes that may wait while the reader of `fd` is slow. */
  readonly capacityBytes?: number;
}

export const LINE_SINK_CAPACITY_BYTES: number = 1024 * 1024;
/** A stuck reader holds nobody up longer than this. */
export const FLUSH_MS_MAX = 2000;
/** Lines gather this long so that a busy process makes few writes. */
export const GATHER_MS = 50;
/** A descriptor shared with others may be in non-blocking mode. */
const RETRY_MS = 10;

/** Writes whole lines to a descriptor in the background. The owner of the descriptor closes it, after `flush`. */
export function createLineSink(options: LineSinkOptions): WritableLineSink {
  return new DescriptorSink(options);
}

/** Lines become bytes at once: as texts they would outlive several collections of young garbage, which costs more than they do. */
const BLOCK_BYTES = 64 * 1024;
/** Full blocks that are written without waiting for more time to pass. */
const WRITE_BLOCKS = 4;
/** Blocks that have been written and wait to be filled again. */
const SPARE_BLOCKS_MAX = 2 * WRITE_BLOCKS;
/** UTF-8 takes at most so many bytes per UTF-16 unit. */
const BYTES_PER_UNIT_MAX = 3;

/**
 * Lines leave when they have gathered for a while, or fill several blocks: to hand a write to another thread costs far more than a line,
 * and a process that logs much would do nothing else if each write began when the last one ended.
 */
class DescriptorSink implements WritableLineSink {
  readonly #options: LineSinkOptions;
  readonly #capacityBytes: number;
  /** Filled, in order; the last of what is buffered is in `#block`. */
  #full: Buffer[] = [];
  readonly #spare: Buffer[] = [];
  #block: Buffer | null = null;
  #at = 0;
  /** Not yet taken by the descriptor. */
  #bytes = 0;
  #dropped = 0;
  /** What has not been taken of what is being written. */
  #writing: Buffer[] | null = null;
  #isArmed = false;
  #waiters: (() => void)[] = [];

  constructor(options: LineSinkOptions) {
    this.#options = options;
    this.#capacityBytes = options.capacityBytes ?? LINE_SINK_CAPACITY_BYTES;
  }

  get dropped(): number {
    return this.#dropped;
  }

  write(line: string): void {
    if (!this.#hasRoom(line.length)) return;
    const block = this.#blockFor(line.length * BYTES_PER_UNIT_MAX);
    this.#take(block.write(line, this.#at));
  }

  writeLine(line: WritableLine): void {
    const { bytesMax } = line;
    if (!this.#hasRoom(bytesMax)) return;
    const block = this.#blockFor(bytesMax);
    this.#take(line.writeTo(block, this.#at) - this.#at);
  }

  flush(): Promise<void> {
    if (this.#bytes === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const deadline = this.#options.clock.setTimer(FLUSH_MS_MAX, resolve);
      this.#waiters.push(() => {
        deadline[Symbol.dispose]();
        resolve();
      });
      if (this.#writing === null) this.#start();
    });
  }

  flushSync(): void {
    this.#closeBlock();
    const rest = Buffer.concat([...(this.#writing ?? []), ...this.#full.splice(0)]);
    this.#bytes = 0;
    let at = 0;
    try {
      while (at < rest.length) at += writeSync(this.#options.fd, rest, at);
    } catch {
      // The process is ending and its log's reader is gone or stuck: nobody is left to tell.
    }
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#options.clock.setTimer(GATHER_MS, () => {
      this.#isArmed = false;
      if (this.#writing === null) this.#start();
    });
  }

  #hasRoom(bytes: number): boolean {
    if (this.#bytes + bytes <= this.#capacityBytes) return true;
    this.#dropped++;
    return false;
  }

  /** The block that has room for so many bytes from `#at` on. */
  #blockFor(bytesMax: number): Buffer {
    if (this.#block === null || this.#at + bytesMax > this.#block.length) {
      this.#closeBlock();
      this.#block = this.#takeBlock(bytesMax);
    }
    return this.#block;
  }

  /** A line of so many bytes is in the block. */
  #take(bytes: number): void {
    this.#at += bytes;
    this.#bytes += bytes;
    if (this.#writing !== null) return;
    if (this.#full.length >= WRITE_BLOCKS) this.#start();
    else this.#arm();
  }

  #takeBlock(bytesMax: number): Buffer {
    return (bytesMax <= BLOCK_BYTES ? this.#spare.pop() : undefined) ?? allocate(bytesMax);
  }

  #closeBlock(): void {
    if (this.#block !== null && this.#at > 0) this.#full.push(this.#block.subarray(0, this.#at));
    this.#block = null;
    this.#at = 0;
  }

  /** Writes what there is. Nothing is being written. */
  #start(): void {
    if (this.#full.length === 0) this.#closeBlock();
    if (this.#full.length === 0) {
      for (const resolve of this.#waiters.splice(0)) resolve();
      return;
    }
    const batch = this.#full;
    this.#full = [];
    this.#continue(batch);
  }

  #continue(batch: Buffer[]): void {
    this.#writing = batch;
    writev(this.#options.fd, batch, null, (error, writtenBytes) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#continue(batch), RETRY_MS);
        return;
      }
      // A descriptor that is broken (EPIPE, ENOSPC) loses this batch; the next batch tries again.
      const taken = error === null ? writtenBytes : batch.reduce((sum, { length }) => sum + length, 0);
      if (error !== null) this.#dropped++;
      this.#bytes = Math.max(0, this.#bytes - taken);
      const rest = this.#release(batch, taken);
      if (rest.length > 0) this.#continue(rest);
      else this.#finish();
    });
  }

  /** Takes back the blocks of which so many bytes have been written; gives what is left. */
  #release(batch: readonly Buffer[], takenBytes: number): Buffer[] {
    const rest: Buffer[] = [];
    let left = takenBytes;
    for (const part of batch) {
      if (left < part.length) rest.push(part.subarray(left));
      else if (part.buffer.byteLength === BLOCK_BYTES && this.#spare.length < SPARE_BLOCKS_MAX) {
        this.#spare.push(Buffer.from(part.buffer));
      }
      left = Math.max(0, left - part.length);
    }
    return rest;
  }

  #finish(): void {
    this.#writing = null;
    if (this.#full.length >= WRITE_BLOCKS || this.#waiters.length > 0) this.#start();
    else if (this.#bytes > 0) this.#arm();
  }
}

function allocate(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, bytes));
}
