import type { Clock } from '../runtime/clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test advances it. `now` and `monotonic` move together. */
export class ManualClock implements Clock {
  #startMs: number;
  #elapsedMs = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  constructor(startMs: number = Date.UTC(2030, 0, 1)) {
    this.#startMs = startMs;
  }

  now(): number {
    return this.#startMs + this.#elapsedMs;
  }

  /** Sets the wall clock, as an administrator or a machine that slept does; timers do not notice. */
  jump(byMs: number): void {
    this.#startMs += byMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  /** Timers and sleeps that have not fired. */
  get pending(): number {
    return this.#timers.size;
  }

  setTimer(delayMs: number, callback: () => void): Disposable {
    const timer: Timer = { at: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const onAbort = (): void => {
        timer[Symbol.dispose]();
        reject(signal?.reason);
      };
      const timer = this.setTimer(delayMs, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /**
   * Moves time on, firing timers in order of time. After each one pending promises run, so that a timer set by what it woke
   * fires too when it is due.
   */
  async advance(byMs: number): Promise<void> {
    const end = this.#elapsedMs + byMs;
    await settle();
    for (let next = this.#due(end); next !== undefined; next = this.#due(end)) {
      this.#timers.delete(next);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.at);
      next.callback();
      await settle();
    }
    this.#elapsedMs = end;
  }

  #due(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}

/** Lets chains of promises that are ready run to their end. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
