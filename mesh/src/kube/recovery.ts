import type { Clock } from '../runtime/clock.ts';

/** Where only some of the API servers behind one address answer, nobody's pauses are cut short more often than this. */
export const ANNOUNCEMENTS_APART_MS = 2000;

/**
 * What the calls to one API server tell each other: when it answers again after it did not, nobody has to sit out the pause that
 * its silence has made long.
 */
export class Recovery {
  readonly #clock: Clock;
  #next = new AbortController();
  #isAway = false;
  #announcedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Aborts when the API server next answers after it did not. */
  get signal(): AbortSignal {
    return this.#next.signal;
  }

  unanswered(): void {
    this.#isAway = true;
  }

  answered(): void {
    if (!this.#isAway || this.#clock.monotonic() - this.#announcedAtMs < ANNOUNCEMENTS_APART_MS) return;
    this.#isAway = false;
    this.#announcedAtMs = this.#clock.monotonic();
    const recovered = this.#next;
    this.#next = new AbortController();
    recovered.abort(new Error('the API server answers again'));
  }
}
