import type { Clock } from '@ambit/mesh/runtime';
import type { Waiting } from './deadlines.ts';

export interface HeadWatchOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** As of `Http2Server`. */
  readonly unfinishedHead: () => number;
  /** A head has taken too long. Once. */
  readonly onTimeout: () => void;
}

/**
 * Sees that heads of an HTTP/2 connection come to their end, whatever else is said meanwhile: nothing can be, as what belongs to a
 * head comes in one piece. Looks only when deadlines are looked at, so that a head costs nothing.
 */
export class HeadWatch implements Waiting {
  readonly #options: HeadWatchOptions;
  #head = 0;
  #sinceMs = 0;

  constructor(options: HeadWatchOptions) {
    this.#options = options;
  }

  /** Past as long as there is something to look at. */
  get deadlineMs(): number {
    return this.#options.unfinishedHead() === 0 ? Number.POSITIVE_INFINITY : 0;
  }

  onDeadline(): void {
    const { clock, timeoutMs, unfinishedHead, onTimeout } = this.#options;
    const head = unfinishedHead();
    const nowMs = clock.monotonic();
    if (head !== this.#head) {
      this.#head = head;
      this.#sinceMs = nowMs;
    } else if (nowMs - this.#sinceMs >= timeoutMs) onTimeout();
  }
}
