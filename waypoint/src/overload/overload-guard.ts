import type { Clock, Logger, MemoryUse } from '@ambit/mesh/runtime';
import {
  decideOverload,
  DEFAULT_OVERLOAD_LIMITS,
  NO_OVERLOAD,
  type OverloadLimits,
  type OverloadState,
} from './decide-overload.ts';
import { memoryShare } from './memory-budget.ts';

/** Why nothing new is taken. */
export type OverloadCause = 'memory' | 'lag';

export interface OverloadGuardOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** Of this thread; infinite for no bound but the heap's own. */
  readonly budgetBytes: number;
  readonly memoryUse: () => MemoryUse;
  /** Finds what of the memory in use is garbage. */
  readonly collectGarbage: () => void;
  /** Gives so many bytes up that connections hold or take; what that leaves is found by the next collection. */
  readonly relieve: (bytes: number) => void;
  /** What connections hold for others, garbage not included. */
  readonly heldBytes: () => number;
  readonly limits?: OverloadLimits;
}

const INTERVAL_MS = 100;
/** A collection takes tens of milliseconds. */
const COLLECT_INTERVAL_MS = 2000;
/** Of the budget: more than this is held for others for sure, whatever of the rest is garbage, and grows faster than is collected. */
const HELD_SHARE_MAX = 0.5;

/** Watches memory and event loop of this thread and says what is to be refused before it is too late. Dispose to stop. */
export class OverloadGuard implements Disposable {
  readonly #options: OverloadGuardOptions;
  readonly #limits: OverloadLimits;
  #state: OverloadState = NO_OVERLOAD;
  #timer: Disposable;
  #dueMs = 0;
  #collectedMs = Number.NEGATIVE_INFINITY;

  constructor(options: OverloadGuardOptions) {
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_OVERLOAD_LIMITS;
    this.#timer = this.#arm();
  }

  /** Shares of new requests that are refused. */
  get shares(): Readonly<Record<OverloadCause, number>> {
    const { isMemoryShort, refusedShare } = this.#state;
    return { memory: isMemoryShort ? 1 : 0, lag: refusedShare };
  }

  get isMemoryShort(): boolean {
    return this.#state.isMemoryShort;
  }

  /** Why the next request is refused; null: it is not. */
  refusal(): OverloadCause | null {
    const { isMemoryShort, refusedShare } = this.#state;
    if (isMemoryShort) return 'memory';
    return refusedShare > 0 && this.#options.random() < refusedShare ? 'lag' : null;
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #arm(): Disposable {
    const { clock } = this.#options;
    this.#dueMs = clock.monotonic() + INTERVAL_MS;
    return clock.setTimer(INTERVAL_MS, () => {
      this.#sample(clock.monotonic() - this.#dueMs);
      this.#timer = this.#arm();
    });
  }

  #sample(lagMs: number): void {
    const before = this.#state;
    const collectedMs = this.#collectedMs;
    const sample = { memoryShare: this.#memoryShare(), lagMs };
    this.#state = decideOverload(before, sample, this.#limits);
    const { isMemoryShort, refusedShare } = this.#state;
    // Refusing what is new frees nothing of what a client that neither sends on nor reads makes us hold.
    if (isMemoryShort) this.#relieve(this.#collectedMs !== collectedMs);
    this.#tell('memory', before.isMemoryShort, isMemoryShort, sample);
    this.#tell('lag', before.refusedShare > 0, refusedShare > 0, sample);
  }

  #relieve(isCollected: boolean): void {
    const { memoryUse, budgetBytes, relieve, heldBytes } = this.#options;
    const { heapBytes, externalBytes } = memoryUse();
    const bytes = isCollected
      ? heapBytes + externalBytes - this.#limits.memoryLeave * budgetBytes
      : heldBytes() - HELD_SHARE_MAX * budgetBytes;
    if (bytes > 0) relieve(bytes);
  }

  /** Much of what is in use may be garbage that nobody has looked for yet, and of what is refused little is made. */
  #memoryShare(): number {
    const { clock, memoryUse, budgetBytes, collectGarbage } = this.#options;
    const share = memoryShare(memoryUse(), budgetBytes);
    const { memoryEnter, memoryLeave } = this.#limits;
    const isHigh = share >= memoryEnter || (this.#state.isMemoryShort && share > memoryLeave);
    if (!isHigh || clock.monotonic() - this.#collectedMs < COLLECT_INTERVAL_MS) return share;
    collectGarbage();
    this.#collectedMs = clock.monotonic();
    return memoryShare(memoryUse(), budgetBytes);
  }

  #tell(cause: OverloadCause, was: boolean, is: boolean, sample: object): void {
    const { logger } = this.#options;
    if (is && !was) logger.warn('new requests are refused to stay alive', { cause, ...sample });
    else if (was && !is) logger.info('new requests are no longer refused', { cause, ...sample });
  }
}
