import type { Clock } from '@ambit/mesh/runtime';

/** Something that may wait too long. */
export interface Waiting {
  /** Monotonic; infinite while it may wait. */
  readonly deadlineMs: number;
  /** Time is up, once per deadline. */
  onDeadline(): void;
}

/** Exact enough for what waits for seconds. */
const SWEEP_MS = 500;

/**
 * Deadlines of all connections of a thread, looked at twice a second: a timer each would cost more than the request that moves
 * it. Dispose of it to stop.
 */
export class Deadlines implements Disposable {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #timer: Disposable | undefined;
  /** When the waiting were looked at last, or the first began to wait. */
  #sweptMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(waiting: Waiting): void {
    this.#waiting.add(waiting);
    if (this.#timer !== undefined) return;
    this.#sweptMs = this.#clock.monotonic();
    this.#timer = this.#arm();
  }

  /** A deadline so far from now, or a sweep later: without asking for the time, for whoever has been added. */
  after(delayMs: number): number {
    return this.#sweptMs + SWEEP_MS + delayMs;
  }

  delete(waiting: Waiting): void {
    this.#waiting.delete(waiting);
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#waiting.clear();
  }

  #arm(): Disposable {
    return this.#clock.setTimer(SWEEP_MS, () => {
      const now = this.#clock.monotonic();
      this.#sweptMs = now;
      for (const one of this.#waiting) if (one.deadlineMs <= now) one.onDeadline();
      this.#timer = this.#waiting.size > 0 ? this.#arm() : undefined;
    });
  }
}
