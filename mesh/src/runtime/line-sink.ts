import { write, writeSync } from 'node:fs';
import type { Clock } from './clock.ts';

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
const GATHER_MS = 50;
/** A descriptor shared with others may be in non-blocking mode. */
const RETRY_MS = 10;

/** Writes whole lines to a descriptor in the background. The owner of the descriptor closes it, after `flush`. */
export function createLineSink(options: LineSinkOptions): LineSink {
  return new DescriptorSink(options);
}

/** Lines become bytes at once: as texts they would outlive several collections of young garbage, which costs more than they do. */
const BLOCK_BYTES = 64 * 1024;
/** UTF-8 takes at most so many bytes per UTF-16 unit. */
const BYTES_PER_UNIT_MAX = 3;

class DescriptorSink implements LineSink {
  readonly #options: LineSinkOptions;
  readonly #capacityBytes: number;
  /** Filled, in order; the last of what is buffered is in `#block`. */
  #blocks: Buffer[] = [];
  #block: Buffer | null = null;
  #at = 0;
  /** Not yet taken by the descriptor. */
  #bytes = 0;
  #dropped = 0;
  #writing: Buffer | null = null;
  #timer: Disposable | null = null;
  #waiters: (() => void)[] = [];

  constructor(options: LineSinkOptions) {
    this.#options = options;
    this.#capacityBytes = options.capacityBytes ?? LINE_SINK_CAPACITY_BYTES;
  }

  get dropped(): number {
    return this.#dropped;
  }

  write(line: string): void {
    if (this.#bytes + line.length > this.#capacityBytes) {
      this.#dropped++;
      return;
    }
    this.#append(line);
    if (this.#timer === null && this.#writing === null) {
      this.#timer = this.#options.clock.setTimer(GATHER_MS, () => this.#start());
    }
  }

  flush(): Promise<void> {
    if (this.#writing === null && this.#bytes === 0) return Promise.resolve();
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
    const rest = Buffer.concat([this.#writing ?? Buffer.alloc(0), ...this.#takeBlocks()]);
    this.#bytes = 0;
    let at = 0;
    try {
      while (at < rest.length) at += writeSync(this.#options.fd, rest, at);
    } catch {
      // The process is ending and its log's reader is gone or stuck: nobody is left to tell.
    }
  }

  #append(line: string): void {
    const bytesMax = line.length * BYTES_PER_UNIT_MAX;
    if (this.#block === null || this.#at + bytesMax > this.#block.length) {
      this.#closeBlock();
      this.#block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, bytesMax));
    }
    const bytes = this.#block.write(line, this.#at);
    this.#at += bytes;
    this.#bytes += bytes;
  }

  #closeBlock(): void {
    if (this.#block !== null && this.#at > 0) this.#blocks.push(this.#block.subarray(0, this.#at));
    this.#block = null;
    this.#at = 0;
  }

  #takeBlocks(): Buffer[] {
    this.#closeBlock();
    return this.#blocks.splice(0);
  }

  #start(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    const blocks = this.#takeBlocks();
    const [first] = blocks;
    if (first === undefined) {
      for (const resolve of this.#waiters.splice(0)) resolve();
      return;
    }
    this.#writing = blocks.length === 1 ? first : Buffer.concat(blocks);
    this.#continue();
  }

  #continue(): void {
    const chunk = this.#writing;
    if (chunk === null) return;
    write(this.#options.fd, chunk, 0, chunk.length, null, (error, writtenBytes) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#continue(), RETRY_MS);
        return;
      }
      // A descriptor that is broken (EPIPE, ENOSPC) loses this batch; the next batch tries again.
      const rest = error === null ? chunk.subarray(writtenBytes) : chunk.subarray(chunk.length);
      if (error !== null) this.#dropped++;
      this.#bytes = Math.max(0, this.#bytes - (chunk.length - rest.length));
      this.#writing = rest.length > 0 ? rest : null;
      if (this.#writing !== null) this.#continue();
      else this.#start();
    });
  }
}
