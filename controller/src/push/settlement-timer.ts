import type { Clock, Histogram } from '@ambit/mesh/runtime';
import { PUSH_LIMITS } from './limits.ts';

/** Whether everybody has acknowledged everything of a type up to a revision of its store. */
export type HasSettled = (typeUrl: string, revision: number) => boolean;

interface Change {
  readonly typeUrl: string;
  readonly revision: number;
  /** Monotonic time. */
  readonly at: number;
}

/** Times each change from when it is in force here until every node has acknowledged it. */
export class SettlementTimer {
  readonly #clock: Clock;
  readonly #seconds: Histogram;
  /** Oldest first. Bounded: beyond that changes are not timed, as a node that never answers would let them gather. */
  #waiting: readonly Change[] = [];

  constructor(clock: Clock, seconds: Histogram) {
    this.#clock = clock;
    this.#seconds = seconds;
  }

  /** To be called once subscribers know of the change; one that none of them is owed is not timed. */
  changed(typeUrl: string, revision: number, hasSettled: HasSettled): void {
    if (this.#waiting.length >= PUSH_LIMITS.timedChangesMax || hasSettled(typeUrl, revision)) return;
    this.#waiting = [...this.#waiting, { typeUrl, revision, at: this.#clock.monotonic() }];
  }

  /** To be called when a node has come further, or is gone. */
  progressed(hasSettled: HasSettled): void {
    if (this.#waiting.length === 0) return;
    const now = this.#clock.monotonic();
    this.#waiting = this.#waiting.filter(({ typeUrl, revision, at }) => {
      const settled = hasSettled(typeUrl, revision);
      if (settled) this.#seconds.observe([], (now - at) / 1000);
      return !settled;
    });
  }
}
