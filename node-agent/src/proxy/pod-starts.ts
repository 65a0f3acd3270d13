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

/** Who gives turns to the lines of pods. */
export interface Turns {
  begin(line: StartLine, start: Start): void;
  forget(pod: PodStarts): void;
}

const NONE_OPENING = (): number => 0;

/**
 * The connections of one pod that wait for their turn, and its share of turns. What it opens, what comes to it by tunnel and what comes in
 * plaintext wait apart: ten thousand dials of its own must not stand before its callers, and neither before the probes of its node, which
 * would have it killed.
 */
export class PodStarts {
  readonly outbound: StartLine;
  readonly tunnels: StartLine;
  readonly plaintext: StartLine;
  readonly connections: PodConnections;
  readonly #turns: Turns;
  readonly #options: PodStartsOptions;
  #tokens: number;
  #filledMs: number;
  #isLeaving = false;

  constructor(turns: Turns, options: PodStartsOptions, connections: PodConnections) {
    this.#turns = turns;
    this.#options = options;
    this.connections = connections;
    this.outbound = new StartLine(turns, this, connections.openingCount);
    this.tunnels = new StartLine(turns, this, NONE_OPENING);
    this.plaintext = new StartLine(turns, this, NONE_OPENING);
    this.#tokens = options.ratePerSecond;
    this.#filledMs = options.clock.monotonic();
  }

  get waitingCount(): number {
    return this.outbound.waitingCount + this.tunnels.waitingCount + this.plaintext.waitingCount;
  }

  /** No more will come, and what waits has until a deadline: it takes its turns, but is held no longer for the sake of others. */
  hurry(): void {
    this.#isLeaving = true;
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** Everything that waits begins now: of a pod that is gone, only to be refused. */
  flush(): void {
    this.#turns.forget(this);
    for (const line of this.lines) while (line.waitingCount > 0) line.startNext();
  }

  get lines(): readonly StartLine[] {
    return [this.outbound, this.tunnels, this.plaintext];
  }

  /** Whether its rate lets one more begin. */
  get hasRate(): boolean {
    if (this.#tokens < 1) this.#fill(this.#options.clock.monotonic());
    return this.#tokens >= 1;
  }

  /** @internal One more begins, which its rate lets it. */
  spend(): void {
    this.#tokens--;
  }

  #fill(nowMs: number): void {
    const { ratePerSecond } = this.#options;
    this.#tokens = Math.min(ratePerSecond, this.#tokens + ((nowMs - this.#filledMs) / 1000) * ratePerSecond);
    this.#filledMs = nowMs;
  }
}

/** Connections of one kind of one pod: they begin in the order in which they came. */
export class StartLine {
  readonly pod: PodStarts;
  /** How many of its kind are on their way. */
  readonly openingCount: () => number;
  readonly #turns: Turns;
  readonly #queue = new Fifo<Start>();
  #begunMs: number = Number.NEGATIVE_INFINITY;

  constructor(turns: Turns, pod: PodStarts, openingCount: () => number) {
    this.#turns = turns;
    this.pod = pod;
    this.openingCount = openingCount;
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

  /** @internal One more begins at `nowMs`, and is counted. */
  take(nowMs: number): void {
    this.pod.spend();
    this.#begunMs = nowMs;
  }

  /** @internal */
  wait(start: Start): void {
    this.#queue.push(start);
  }

  /** @internal */
  startNext(): void {
    this.#queue.shift()?.();
  }
}
