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

class DescriptorSink implements LineSink {
  readonly #options: LineSinkOptions;
  readonly #capacityBytes: number;
  #lines: string[] = [];
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
    this.#lines.push(line);
    this.#bytes += line.length;
    if (this.#timer === null && this.#writing === null) {
      this.#timer = this.#options.clock.setTimer(GATHER_MS, () => this.#start());
    }
  }

  flush(): Promise<void> {
    if (this.#writing === null && this.#lines.length === 0) return Promise.resolve();
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
    const rest = Buffer.concat([this.#writing ?? Buffer.alloc(0), Buffer.from(this.#lines.join(''))]);
    this.#lines = [];
    let at = 0;
    try {
      while (at < rest.length) at += writeSync(this.#options.fd, rest, at);
    } catch {
      // The process is ending and its log's reader is gone or stuck: nobody is left to tell.
    }
  }

  #start(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    if (this.#lines.length === 0) {
      for (const resolve of this.#waiters.splice(0)) resolve();
      return;
    }
    this.#writing = Buffer.from(this.#lines.join(''));
    this.#lines = [];
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
      this.#writing = rest.length > 0 ? rest : null;
      if (this.#writing !== null) this.#continue();
      else {
        this.#bytes = this.#lines.reduce((sum, line) => sum + line.length, 0);
        this.#start();
      }
    });
  }
}
