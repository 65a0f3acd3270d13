import type { Clock } from './clock.ts';

/** Why a drain ended: everybody left, or the deadline passed while `outstanding` were still there. */
export type DrainOutcome = { readonly kind: 'drained' } | { readonly kind: 'forced'; readonly outstanding: number };

/**
 * Orderly stop of one owner of work, passed down as a value.
 *
 *   open --begin()--> draining (`draining` aborted: accept nothing new) --all guards released--> drained
 *                        \--deadline--> `forced` aborted: drop what is left
 */
export class Drain {
  readonly #clock: Clock;
  readonly #draining = new AbortController();
  readonly #forced = new AbortController();
  #guards = 0;
  #begun: Promise<DrainOutcome> | null = null;
  #wake: (() => void) | null = null;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  /** Aborts when no new work may start. */
  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  /** Aborts when remaining work must end at once. */
  get forced(): AbortSignal {
    return this.#forced.signal;
  }

  get outstanding(): number {
    return this.#guards;
  }

  /** Held by one piece of work while it runs; the drain waits for it. Releasing twice counts once. */
  guard(): Disposable {
    this.#guards++;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#guards--;
        if (this.#guards === 0) this.#wake?.();
      },
    };
  }

  /** Starts the drain; later calls join the first one, whose deadline counts. Never rejects. */
  begin(deadlineMs: number): Promise<DrainOutcome> {
    this.#begun ??= this.#run(deadlineMs);
    return this.#begun;
  }

  async #run(deadlineMs: number): Promise<DrainOutcome> {
    this.#draining.abort(new Error('draining'));
    if (this.#guards > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.setTimer(deadlineMs, resolve);
        this.#wake = () => {
          timer[Symbol.dispose]();
          resolve();
        };
      });
      this.#wake = null;
    }
    const outstanding = this.#guards;
    this.#forced.abort(new Error('drain deadline passed'));
    return outstanding === 0 ? { kind: 'drained' } : { kind: 'forced', outstanding };
  }
}
