import type { Clock } from '@ambit/mesh/runtime';

/** When rounds of work follow each other. */
export interface RoundTiming {
  /** Between two rounds at least: rings gather meanwhile. Default none. */
  readonly pauseMs?: number;
  /** Between two rounds at most, after the pause. */
  readonly resyncMs: number;
}

/** Wakes one loop. Rings while nobody waits are not lost, and many are one. */
export class Bell {
  readonly #clock: Clock;
  #rung = false;
  #wake: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** A round at once, and then after each ring and from time to time. Rejects with what a round rejects, or the signal's reason. */
  async repeat(
    round: () => Promise<void>,
    { pauseMs = 0, resyncMs }: RoundTiming,
    signal: AbortSignal,
  ): Promise<never> {
    for (;;) {
      await round();
      if (pauseMs > 0) await this.#clock.sleep(pauseMs, signal);
      await this.wait(resyncMs, signal);
    }
  }

  /** Resolves after a ring or `atMostMs`. Rejects with the signal's reason. */
  async wait(atMostMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#rung) {
      const ended = new AbortController();
      const rung = new Promise<void>((resolve) => (this.#wake = resolve));
      const either = AbortSignal.any([signal, ended.signal]);
      try {
        await Promise.race([rung, this.#clock.sleep(atMostMs, either)]);
      } finally {
        this.#wake = null;
        ended.abort();
      }
    }
    this.#rung = false;
  }
}
