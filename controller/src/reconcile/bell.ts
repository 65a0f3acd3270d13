import type { Clock } from '@ambit/mesh/runtime';

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
