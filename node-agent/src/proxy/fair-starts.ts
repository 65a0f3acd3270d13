import type { Clock } from '@ambit/mesh/runtime';

/** Work that begins a connection of some pod. Must not throw. */
export type Start = () => void;

export interface FairStartsOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'setTimer'>;
  /** Connections of one pod that begin in a second, in the long run; as many may begin at once after a rest. */
  readonly ratePerSecond: number;
}

/** A turn of the event loop in which one pod begins so many is over soon enough for the others. */
const STARTS_PER_TURN_AND_POD = 1;
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
  #startsLeft: number = STARTS_PER_TURN;
  #turn = 0;
  #isTurnOver = true;
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
    this.#noteTurn();
    if (pod.waitingCount === 0 && this.#startsLeft > 0 && pod.take(this.#turn)) {
      this.#startsLeft--;
      start();
      return;
    }
    pod.wait(start);
    this.#waiting.add(pod);
  }

  /** @internal */
  forget(pod: PodStarts): void {
    this.#waiting.delete(pod);
  }

  /** The first who asks in a turn has it end. */
  #noteTurn(): void {
    if (!this.#isTurnOver) return;
    this.#isTurnOver = false;
    setImmediate(() => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#turn++;
    this.#startsLeft = STARTS_PER_TURN;
    this.#isTurnOver = true;
    if (this.#waiting.size === 0) return;
    let isAnyReady = false;
    for (const pod of [...this.#waiting]) {
      if (this.#startsLeft === 0) {
        isAnyReady = true;
        break;
      }
      while (this.#startsLeft > 0 && pod.waitingCount > 0 && pod.take(this.#turn)) {
        this.#startsLeft--;
        pod.startNext();
      }
      this.#waiting.delete(pod);
      // Behind the others: who came late in this turn comes first in the next.
      if (pod.waitingCount > 0) {
        this.#waiting.add(pod);
        isAnyReady ||= pod.hasRate;
      }
    }
    if (this.#waiting.size === 0) return;
    if (isAnyReady) this.#noteTurn();
    else this.#retryLater();
  }

  #retryLater(): void {
    if (this.#retry !== null) return;
    this.#retry = this.#options.clock.setTimer(RETRY_MS, () => {
      this.#retry = null;
      this.#noteTurn();
    });
  }
}

/** The connections of one pod that wait for their turn, and its share of turns. */
export class PodStarts {
  readonly #all: FairStarts;
  readonly #options: FairStartsOptions;
  #queue: Start[] = [];
  #head = 0;
  #turn = -1;
  #turnLeft = 0;
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
    return this.#queue.length - this.#head;
  }

  /** Everything that waits begins now: of a pod that is gone, only to be refused. */
  flush(): void {
    this.#all.forget(this);
    while (this.waitingCount > 0) this.startNext();
  }

  /** @internal Whether its rate lets one more begin. */
  get hasRate(): boolean {
    this.#fill();
    return this.#tokens >= 1;
  }

  /** @internal One more may begin in this turn: it is counted. */
  take(turn: number): boolean {
    if (this.#turn !== turn) {
      this.#turn = turn;
      this.#turnLeft = STARTS_PER_TURN_AND_POD;
    }
    if (this.#turnLeft === 0) return false;
    if (this.#tokens < 1) this.#fill();
    if (this.#tokens < 1) return false;
    this.#turnLeft--;
    this.#tokens--;
    return true;
  }

  /** @internal */
  wait(start: Start): void {
    this.#queue.push(start);
  }

  /** @internal */
  startNext(): void {
    const start = this.#queue[this.#head];
    this.#head++;
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    }
    start?.();
  }

  #fill(): void {
    const { clock, ratePerSecond } = this.#options;
    const nowMs = clock.monotonic();
    this.#tokens = Math.min(ratePerSecond, this.#tokens + ((nowMs - this.#filledMs) / 1000) * ratePerSecond);
    this.#filledMs = nowMs;
  }
}
