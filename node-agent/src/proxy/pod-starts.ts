import { type Clock, Fifo } from '@ambit/mesh/runtime';

/** Work that begins a connection of some pod. Must not throw. */
export type Start = () => void;

/** What a pod has going on in this thread. */
export interface PodConnections {
  readonly isServed: () => boolean;
  /** How many that it opened are neither there yet nor over. */
  readonly openingCount: () => number;
}

export interface PodStartsOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Connections that begin in a second, in the long run; as many may begin at once after a rest. */
  readonly ratePerSecond: number;
}

/** Who gives turns to pods. */
export interface Turns {
  begin(pod: PodStarts, start: Start): void;
  forget(pod: PodStarts): void;
}

/** The connections of one pod that wait for their turn, and its share of turns. */
export class PodStarts {
  readonly connections: PodConnections;
  readonly #turns: Turns;
  readonly #options: PodStartsOptions;
  readonly #queue = new Fifo<Start>();
  #tokens: number;
  #filledMs: number;
  #begunMs: number = Number.NEGATIVE_INFINITY;

  constructor(turns: Turns, options: PodStartsOptions, connections: PodConnections) {
    this.#turns = turns;
    this.#options = options;
    this.connections = connections;
    this.#tokens = options.ratePerSecond;
    this.#filledMs = options.clock.monotonic();
  }

  /** Runs `start` now, or when its turn has come. */
  begin(start: Start): void {
    this.#turns.begin(this, start);
  }

  get waitingCount(): number {
    return this.#queue.length;
  }

  /** When one was last let begin by `take`. */
  get begunMs(): number {
    return this.#begunMs;
  }

  /** Everything that waits begins now: of a pod that is gone, only to be refused. */
  flush(): void {
    this.#turns.forget(this);
    while (this.waitingCount > 0) this.startNext();
  }

  /** Whether its rate lets one more begin. */
  get hasRate(): boolean {
    if (this.#tokens < 1) this.#fill(this.#options.clock.monotonic());
    return this.#tokens >= 1;
  }

  /** One more may begin, and is counted; false when its rate does not let it. */
  take(nowMs: number): boolean {
    if (this.#tokens < 1) this.#fill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    this.#begunMs = nowMs;
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
