import type { Clock } from '@ambit/mesh/runtime';
import { LoopShare, type LoopTimes } from './loop-share.ts';
import { type PodConnections, PodStarts, type Start, type Turns } from './pod-starts.ts';

export interface FairStartsOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'setTimer'>;
  /** Of every pod, see `PodStartsOptions`. */
  readonly ratePerSecond: number;
  /** Of this thread. */
  readonly loopTimes?: LoopTimes;
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
 * So many connections of a pod may be on their way to their destinations while others are served; then one more begins every moment. What
 * waits here is small. What is on its way is not: thousands of them are copied by the garbage collector again and again, while all others wait.
 */
const OPENING = 64;
const OPENING_MS = 1;
/** A pod of which more waits floods the agent: it gets half of the thread at most while others are served. */
const FLOOD_WAITING = 64;
/** How often a pod that is held is looked at again, and how often it is asked whether others are served. */
const HELD_RETRY_MS = 1;
const OTHERS_MS = 100;

const NO_CONNECTIONS: PodConnections = { isServed: () => false, openingCount: () => 0 };

/**
 * Lets connections begin in fair turns. The kernel hands over everything that waits at a listener in one turn of the event loop, and a
 * peer's tunnel brings a hundred requests in one read: begun all at once, thousands of connections of one pod would stop every
 * other pod for tenths of a second. What finds its turn free begins at once; the rest waits, and pods take turns. Where one pod opens
 * more than the rest of the node together, it is also held for the sake of the others.
 */
export class FairStarts implements Turns {
  readonly #options: FairStartsOptions;
  readonly #pods = new Set<PodStarts>();
  /** Pods with something waiting, in the order of their turns. */
  readonly #waiting = new Set<PodStarts>();
  readonly #loopShare: LoopShare;
  /** Of those at once. */
  #startsLeft: number = STARTS_AT_ONCE;
  /** When the last one had begun. */
  #begunMs = Number.NEGATIVE_INFINITY;
  #isTurnComing = false;
  #retry: Disposable | null = null;
  /** Whether more than one pod is served, and when that was looked at. */
  #hasOthers = false;
  #countedMs = Number.NEGATIVE_INFINITY;

  constructor(options: FairStartsOptions) {
    this.#options = options;
    this.#loopShare = new LoopShare(options.loopTimes);
  }

  /** The side of one pod. It counts until `flush`. */
  forPod(connections: PodConnections = NO_CONNECTIONS): PodStarts {
    const pod = new PodStarts(this, this.#options, connections);
    this.#pods.add(pod);
    return pod;
  }

  /** @internal */
  begin(pod: PodStarts, start: Start): void {
    const nowMs = this.#options.clock.monotonic();
    if (this.#waiting.size === 0 && !this.#isHeld(pod, nowMs) && this.#hasRoom(nowMs) && pod.take(nowMs)) {
      start();
      this.#begunMs = this.#options.clock.monotonic();
      return;
    }
    pod.wait(start);
    this.#waiting.add(pod);
    if (pod.hasRate) this.#comeAgain();
    else this.#retryLater(RETRY_MS);
  }

  /** @internal */
  forget(pod: PodStarts): void {
    this.#waiting.delete(pod);
    this.#pods.delete(pod);
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
    let isAnyHeld = false;
    for (const pod of [...this.#waiting]) {
      if (startsLeft === 0) {
        isAnyReady = true;
        break;
      }
      if (this.#isHeld(pod, nowMs)) {
        isAnyHeld = true;
        continue;
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
    else this.#retryLater(isAnyHeld ? HELD_RETRY_MS : RETRY_MS);
  }

  #isHeld(pod: PodStarts, nowMs: number): boolean {
    const isFlood = pod.waitingCount > FLOOD_WAITING;
    const isFull = pod.connections.openingCount() >= OPENING && nowMs - pod.begunMs < OPENING_MS;
    if (!(isFlood || isFull) || !this.#areOthersServed(nowMs)) return false;
    return isFull || !this.#loopShare.goesOn(nowMs);
  }

  #areOthersServed(nowMs: number): boolean {
    if (nowMs - this.#countedMs < OTHERS_MS) return this.#hasOthers;
    this.#countedMs = nowMs;
    let served = 0;
    for (const pod of this.#pods) if (pod.waitingCount > 0 || pod.connections.isServed()) served++;
    this.#hasOthers = served > 1;
    return this.#hasOthers;
  }

  #retryLater(delayMs: number): void {
    if (this.#retry !== null) return;
    this.#retry = this.#options.clock.setTimer(delayMs, () => {
      this.#retry = null;
      this.#comeAgain();
    });
  }
}
