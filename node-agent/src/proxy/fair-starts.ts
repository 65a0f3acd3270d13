import { type Clock, Fifo } from '@ambit/mesh/runtime';

/** Work that begins a connection of some pod. Must not throw. */
export type Start = () => void;

export interface FairStartsOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'setTimer'>;
  /** Connections of one pod that begin in a second, in the long run; as many may begin at once after a rest. */
  readonly ratePerSecond: number;
}

/**
 * While nothing waits so many may begin at once, and as many again once none began for a moment: of what comes now and then nothing waits.
 * Beginning takes time itself, so that the clock alone would tell of a new moment within one turn of the event loop.
 */
const STARTS_AT_ONCE = 16;
const MOMENT_MS = 0.25;
/** Once something waits every pod begins one per turn of the event loop, so that a turn is over soon enough for all. */
const STARTS_PER_TURN = 16;
/** Of a pod over its rate: how often it is looked at again. */
const RETRY_MS = 10;

/**
 * Lets connections begin in fair turns. The kernel hands over everything that waits at a listener in one turn of the event loop, and a
 * peer's tunnel brings a hundred requests in one read: begun all at once, thousands of connections of one pod would stop every
 * other pod for tenths of a second. What finds its turn free begins at once; the rest waits, and pods take turns.
 */
export class FairStarts {
  readonly #options: FairStartsOptions;
  /** Pods with something waiting, in the order of their turns. */
  readonly #waiting = new Set<PodStarts>();
  /** Of those at once. */
  #startsLeft: number = STARTS_AT_ONCE;
  /** When the last one had begun. */
  #begunMs = Number.NEGATIVE_INFINITY;
  #isTurnComing = false;
  #retry: Disposable | null = null;

  constructor(options: FairStartsOptions) {
    this.#options = options;
  }

  /** The side of one pod. */
  forPod(): PodStarts {
    return new PodStarts(this, this.#options);
  }

  /** @internal */
  begin(pod: PodStarts, start: Start): void {
    const nowMs = this.#options.clock.monotonic();
    if (this.#waiting.size === 0 && this.#hasRoom(nowMs) && pod.take(nowMs)) {
      start();
      this.#begunMs = this.#options.clock.monotonic();
      return;
    }
    pod.wait(start);
    this.#waiting.add(pod);
    if (pod.hasRate) this.#comeAgain();
    else this.#retryLater();
  }

  /** @internal */
  forget(pod: PodStarts): void {
    this.#waiting.delete(pod);
  }

  #hasRoom(nowMs: number): boolean {
    if (nowMs - this.#begunMs >= MOMENT_MS) this.#startsLeft = STARTS_AT_ONCE;
    if (this.#startsLeft === 0) return false;
    this.#startsLeft--;
    return true;
  }

  #comeAgain(): void {
    if (this.#isTurnComing) return;
    this.#isTurnComing = true;
    setImmediate(() => {
      this.#isTurnComing = false;
      this.#turn();
    });
  }

  #turn(): void {
    const nowMs = this.#options.clock.monotonic();
    let startsLeft = STARTS_PER_TURN;
    let isAnyReady = false;
    for (const pod of [...this.#waiting]) {
      if (startsLeft === 0) {
        isAnyReady = true;
        break;
      }
      this.#waiting.delete(pod);
      if (pod.take(nowMs)) {
        startsLeft--;
        pod.startNext();
      }
      // Behind the others: who came late in this turn comes first in the next.
      if (pod.waitingCount === 0) continue;
      this.#waiting.add(pod);
      isAnyReady ||= pod.hasRate;
    }
    this.#startsLeft = startsLeft;
    if (this.#waiting.size === 0) return;
    if (isAnyReady) this.#comeAgain();
    else this.#retryLater();
  }

  #retryLater(): void {
    if (this.#retry !== null) return;
    this.#retry = this.#options.clock.setTimer(RETRY_MS, () => {
      this.#retry = null;
      this.#comeAgain();
    });
  }
}

/** The connections of one pod that wait for their turn, and its share of turns. */
export class PodStarts {
  readonly #all: FairStarts;
  readonly #options: FairStartsOptions;
  readonly #queue = new Fifo<Start>();
  #tokens: number;
  #filledMs: number;

  /** @internal */
  constructor(all: FairStarts, options: FairStartsOptions) {
    this.#all = all;
    this.#options = options;
    this.#tokens = options.ratePerSecond;
    this.#filledMs = options.clock.monotonic();
  }

  /** Runs `start` now, or when its turn has come. */
  begin(start: Start): void {
    this.#all.begin(this, start);
  }

  get waitingCount(): number {
    return this.#queue.length;
  }

  /** Everything that waits begins now: of a pod that is gone, only to be refused. */
  flush(): void {
    this.#all.forget(this);
    while (this.waitingCount > 0) this.startNext();
  }

  /** @internal Whether its rate lets one more begin. */
  get hasRate(): boolean {
    if (this.#tokens < 1) this.#fill(this.#options.clock.monotonic());
    return this.#tokens >= 1;
  }

  /** @internal One more may begin, and is counted; false when its rate does not let it. */
  take(nowMs: number): boolean {
    if (this.#tokens < 1) this.#fill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** @internal */
  wait(start: Start): void {
    this.#queue.push(start);
  }

  /** @internal */
  startNext(): void {
    this.#queue.shift()?.();
  }

  #fill(nowMs: number): void {
    const { ratePerSecond } = this.#options;
    this.#tokens = Math.min(ratePerSecond, this.#tokens + ((nowMs - this.#filledMs) / 1000) * ratePerSecond);
    this.#filledMs = nowMs;
  }
}
