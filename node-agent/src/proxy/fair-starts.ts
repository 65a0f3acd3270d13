import { atTurnEnd, type Clock } from '@ambit/mesh/runtime';
import { LoopShare, type LoopTimes } from './loop-share.ts';
import {
  type PodConnections,
  PodStarts,
  type PodStartsOptions,
  type Start,
  type StartLine,
  type Turns,
} from './pod-starts.ts';

/** The rate is that of every pod. */
export interface FairStartsOptions extends PodStartsOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'setTimer'>;
  /** Of this thread. */
  readonly loopTimes?: LoopTimes;
}

/**
 * While nothing waits so many may begin at once, and as many again once none began for a moment: of what comes now and then nothing waits.
 * Beginning takes time itself, so that the clock alone would tell of a new moment within one turn of the event loop.
 */
const STARTS_AT_ONCE = 16;
const MOMENT_MS = 0.25;
/** Once something waits every line of a pod begins one per turn of the event loop, so that a turn is over soon enough for all. */
const STARTS_PER_TURN = 16;
/** Of a pod over its rate: how often it is looked at again. */
const RETRY_MS = 10;
/**
 * So many connections of a pod may be on their way to their destinations while others are served; then one more begins every moment. What
 * waits here is small. What is on its way is not: thousands of them are copied by the garbage collector again and again, while all others wait.
 */
const OPENING = 64;
const OPENING_MS = 1;
/**
 * A pod of which more waits gets half of the thread at most while others are served; one of which so many wait that no sane program has
 * them, a quarter. Between the two are programs that are in a hurry, and to which half as much is already slow.
 */
const FLOODS: readonly Flood[] = [
  { waiting: 512, restPerWork: 3 },
  { waiting: 64, restPerWork: 1 },
];
/** How often a pod that is held is looked at again, and how often it is asked whether others are served. */
const HELD_RETRY_MS = 1;
const OTHERS_MS = 100;

interface Flood {
  readonly waiting: number;
  /** That the thread has for others, for every millisecond of work. */
  readonly restPerWork: number;
}

const NO_CONNECTIONS: PodConnections = { isServed: () => false, openingCount: () => 0 };

/**
 * Lets connections begin in fair turns. The kernel hands over everything that waits at a listener in one turn of the event loop, and a
 * peer's tunnel brings a hundred requests in one read: begun all at once, thousands of connections of one pod would stop every
 * other pod for tenths of a second. What finds its turn free begins at once; the rest waits, and the lines of pods take turns. Where one
 * pod opens more than the rest of the node together, it is also held for the sake of the others.
 */
export class FairStarts implements Turns {
  readonly #options: FairStartsOptions;
  readonly #pods = new Set<PodStarts>();
  /** Lines with something waiting, in the order of their turns. */
  readonly #waiting = new Set<StartLine>();
  /** One for each kind of flood: the rest that is much for one is little for the other, and must not be told of both. */
  readonly #floods: readonly (Flood & { readonly share: LoopShare })[];
  /** Of those at once. */
  #startsLeft: number = STARTS_AT_ONCE;
  /** When the last one had begun. */
  #begunMs = Number.NEGATIVE_INFINITY;
  #isTurnComing = false;
  #retry: { readonly delayMs: number; readonly timer: Disposable } | null = null;
  /** Two pods that are served, or all that are where they are fewer, and when that was looked at. */
  #served: PodStarts[] = [];
  #countedMs = Number.NEGATIVE_INFINITY;

  constructor(options: FairStartsOptions) {
    this.#options = options;
    this.#floods = FLOODS.map((flood) => ({ ...flood, share: new LoopShare(flood.restPerWork, options.loopTimes) }));
  }

  /** The side of one pod. It counts until `flush`. */
  forPod(connections: PodConnections = NO_CONNECTIONS): PodStarts {
    const pod = new PodStarts(this, this.#options, connections);
    this.#pods.add(pod);
    return pod;
  }

  /** @internal */
  begin(line: StartLine, start: Start): void {
    const nowMs = this.#options.clock.monotonic();
    const { hasRate } = line.pod;
    if (this.#waiting.size === 0 && hasRate && !this.#isHeld(line, nowMs) && this.#hasRoom(nowMs)) {
      line.take(nowMs);
      start();
      this.#begunMs = this.#options.clock.monotonic();
      return;
    }
    line.wait(start);
    this.#waiting.add(line);
    if (hasRate) this.#comeAgain();
    else this.#retryLater(RETRY_MS);
  }

  /** @internal */
  forget(pod: PodStarts): void {
    for (const line of pod.lines) this.#waiting.delete(line);
    this.#pods.delete(pod);
    this.#served = this.#served.filter((each) => each !== pod);
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
    atTurnEnd(this.#onTurn);
  }

  readonly #onTurn = (): void => {
    this.#isTurnComing = false;
    this.#turn();
  };

  #turn(): void {
    const nowMs = this.#options.clock.monotonic();
    let startsLeft = STARTS_PER_TURN;
    let isAnyReady = false;
    let isAnyHeld = false;
    for (const line of [...this.#waiting]) {
      if (startsLeft === 0) {
        isAnyReady = true;
        break;
      }
      // Before it is asked whether it is held: a yes that is not used would be taken from others that are held.
      if (!line.pod.hasRate) continue;
      if (this.#isHeld(line, nowMs)) {
        isAnyHeld = true;
        continue;
      }
      this.#waiting.delete(line);
      startsLeft--;
      line.take(nowMs);
      line.startNext();
      // Behind the others: who came late in this turn comes first in the next.
      if (line.waitingCount === 0) continue;
      this.#waiting.add(line);
      isAnyReady ||= line.pod.hasRate;
    }
    this.#startsLeft = startsLeft;
    if (this.#waiting.size === 0) return;
    if (isAnyReady) this.#comeAgain();
    else this.#retryLater(isAnyHeld ? HELD_RETRY_MS : RETRY_MS);
  }

  #isHeld(line: StartLine, nowMs: number): boolean {
    const flood = this.#floods.find(({ waiting }) => line.waitingCount > waiting);
    const isFull = line.openingCount() >= OPENING && nowMs - line.begunMs < OPENING_MS;
    if ((flood === undefined && !isFull) || line.pod.isLeaving || !this.#areOthersServed(line.pod, nowMs)) return false;
    return isFull || (flood !== undefined && !flood.share.goesOn(nowMs));
  }

  #areOthersServed(pod: PodStarts, nowMs: number): boolean {
    if (nowMs - this.#countedMs >= OTHERS_MS) {
      this.#countedMs = nowMs;
      this.#served = [];
      for (const each of this.#pods) {
        if (each.waitingCount === 0 && !each.connections.isServed()) continue;
        if (this.#served.push(each) === 2) break;
      }
    }
    return this.#served.some((each) => each !== pod);
  }

  #retryLater(delayMs: number): void {
    if (this.#retry !== null) {
      if (this.#retry.delayMs <= delayMs) return;
      this.#retry.timer[Symbol.dispose]();
    }
    const timer = this.#options.clock.setTimer(delayMs, () => {
      this.#retry = null;
      this.#comeAgain();
    });
    this.#retry = { delayMs, timer };
  }
}
