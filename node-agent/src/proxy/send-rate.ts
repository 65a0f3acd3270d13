import type { BudgetedReader, ReadBudget } from '@ambit/mesh/hbone';
import type { Clock } from '@ambit/mesh/runtime';

export interface SendRateOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'setTimer'>;
  readonly bytesPerSecond: number;
}

/** Those who wait are looked at so often; about as much may be sent at once after a rest. */
const SLICE_MS = 50;
/** What a reader is taken to bring: so many read on at a time that the rate is not left far behind. */
const READ_BYTES = 64 * 1024;

/**
 * How many bytes one pod may send in a second: its sockets are not read while it has sent more. A read may exceed what is left, and is
 * waited for afterwards, so that the rate holds in the long run. Connections take turns.
 */
export class SendRate implements ReadBudget, Disposable {
  readonly #options: SendRateOptions;
  /** Since when each waits, in that order. */
  readonly #waiting = new Set<BudgetedReader>();
  #left: number;
  #filledMs: number;
  #timer: Disposable | null = null;

  constructor(options: SendRateOptions) {
    this.#options = options;
    this.#left = this.#sliceBytes;
    this.#filledMs = options.clock.monotonic();
  }

  take(bytes: number, reader: BudgetedReader): boolean {
    this.#left -= bytes;
    if (this.#left > 0) return true;
    this.#fill();
    if (this.#left > 0) return true;
    this.#waiting.add(reader);
    this.#waitOn();
    return false;
  }

  forget(reader: BudgetedReader): void {
    this.#waiting.delete(reader);
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#waiting.clear();
  }

  get #sliceBytes(): number {
    return (this.#options.bytesPerSecond * SLICE_MS) / 1000;
  }

  #fill(): void {
    const { clock, bytesPerSecond } = this.#options;
    const nowMs = clock.monotonic();
    this.#left = Math.min(this.#sliceBytes, this.#left + ((nowMs - this.#filledMs) / 1000) * bytesPerSecond);
    this.#filledMs = nowMs;
  }

  #waitOn(): void {
    this.#timer ??= this.#options.clock.setTimer(SLICE_MS, () => this.#readOn());
  }

  #readOn(): void {
    this.#timer = null;
    this.#fill();
    let count = Math.ceil(this.#left / READ_BYTES);
    for (const reader of [...this.#waiting]) {
      if (count <= 0) break;
      count--;
      this.#waiting.delete(reader);
      reader.onBudget();
    }
    if (this.#waiting.size > 0) this.#waitOn();
  }
}
