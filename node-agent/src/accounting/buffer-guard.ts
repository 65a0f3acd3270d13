import type { Clock } from '@ambit/mesh/runtime';

/** A pod whose connections may hold bytes that wait. */
export interface GuardedPod {
  readonly openCount: number;
  /** Ends connections until not more than `maxBytes` wait. */
  limitWaiting(maxBytes: number): void;
}

export interface BufferGuardOptions {
  readonly clock: Pick<Clock, 'setTimer'>;
  /** Of one pod. */
  readonly maxBytes: number;
  readonly pods: () => Iterable<GuardedPod>;
}

const SAMPLE_MS = 1000;
/** What one connection can hold at most: a window of its stream, and what was read of its socket. */
const CONNECTION_MAX_BYTES = 5 * 1024 * 1024;

/**
 * Keeps what waits in the connections of each pod below a limit. Looks once a second, and only while a pod has as many connections as could
 * hold that much.
 */
export class BufferGuard implements Disposable {
  readonly #options: BufferGuardOptions;
  readonly #connectionsFrom: number;
  #timer: Disposable | null = null;

  constructor(options: BufferGuardOptions) {
    this.#options = options;
    this.#connectionsFrom = Math.max(1, Math.floor(options.maxBytes / CONNECTION_MAX_BYTES));
  }

  /** A connection has begun in a pod that has `openCount` of them now. */
  note(openCount: number): void {
    if (openCount < this.#connectionsFrom || this.#timer !== null) return;
    this.#timer = this.#options.clock.setTimer(SAMPLE_MS, () => this.#sample());
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }

  #sample(): void {
    this.#timer = null;
    for (const pod of this.#options.pods()) {
      if (pod.openCount < this.#connectionsFrom) continue;
      pod.limitWaiting(this.#options.maxBytes);
      // As it was: what was cut takes a while to go.
      this.note(pod.openCount);
    }
  }
}
