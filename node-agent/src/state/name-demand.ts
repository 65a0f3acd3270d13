import type { MeshView } from '@ambit/mesh/model';
import type { NameAnswer } from '@ambit/mesh/push';
import type { Clock } from '@ambit/mesh/runtime';
import { RecordingView } from './recording-view.ts';
import { WaitingPlaces } from './waiting-places.ts';

export const NAME_DEMAND_LIMITS = {
  /** Connections that wait for an answer; one more is refused at once. */
  waitingMax: 10_000,
  /** Those of one pod among them. */
  waitingPerPodMax: 2500,
  /** Names asked for and not answered; beyond them nothing more is asked for. */
  askedMax: 20_000,
  /** Answers remembered; beyond them the oldest is forgotten. */
  answersMax: 20_000,
  /** For so long an answer counts; then the main thread is asked again, which knows whether the controller has to be. */
  answerMs: 30_000,
  /** A question that nobody has answered for so long is asked again when somebody wants to know. */
  unansweredMs: 5000,
} as const;

export type NameOutcome = 'answered' | 'timeout' | 'too-many';

export interface NameDemandOptions {
  readonly clock: Clock;
  readonly view: MeshView;
  readonly clusterDomain: string;
  /** Tells the main thread what is wanted; `answer` comes back for each. */
  readonly ask: (names: readonly string[]) => void;
}

interface Asked {
  readonly sinceMs: number;
  readonly waiting: Set<(kind: NameAnswer['kind']) => void>;
}

/** What the decisions of one thread have to know and its view does not have, where the mesh is asked for by name. */
export class NameDemand {
  readonly #options: NameDemandOptions;
  readonly #recording: RecordingView;
  readonly #places = new WaitingPlaces({
    inAll: NAME_DEMAND_LIMITS.waitingMax,
    perPod: NAME_DEMAND_LIMITS.waitingPerPodMax,
  });
  readonly #asked = new Map<string, Asked>();
  /** Until when each counts, oldest first. */
  readonly #answers = new Map<string, number>();
  #toAsk: string[] = [];

  constructor(options: NameDemandOptions) {
    this.#options = options;
    const { view, clusterDomain } = options;
    this.#recording = new RecordingView({ view, clusterDomain, isSettled: (name) => this.#isSettled(name) });
  }

  /** Decides by what is known; with what has to be asked for before that counts. */
  look<Decision>(
    namespace: string,
    decide: (view: MeshView) => Decision,
  ): { readonly decision: Decision; readonly missing: readonly string[] } {
    this.#recording.begin(namespace);
    const decision = decide(this.#recording);
    return { decision, missing: this.#recording.missing };
  }

  /** Has the names asked for, with nobody who waits. */
  want(names: readonly string[]): void {
    for (const name of names) if (!this.#isSettled(name)) this.#ask(name);
  }

  /** Waits until all the names are answered, at most until `deadlineMs` of the monotonic clock. `pod` is always the same one for the same pod. */
  wait(names: readonly string[], deadlineMs: number, pod: object): Promise<NameOutcome> {
    const leftMs = deadlineMs - this.#options.clock.monotonic();
    if (leftMs <= 0) return Promise.resolve('timeout');
    if (!this.#places.take(pod)) return Promise.resolve('too-many');
    return new Promise((resolve) => {
      const open = new Set<Asked>();
      const end = (outcome: NameOutcome): void => {
        timer[Symbol.dispose]();
        for (const asked of open) asked.waiting.delete(hear);
        this.#places.giveBack(pod);
        resolve(outcome);
      };
      let left = 0;
      const hear = (kind: NameAnswer['kind']): void => {
        left--;
        if (kind === 'too-many') end('too-many');
        else if (left === 0) end('answered');
      };
      const timer = this.#options.clock.setTimer(leftMs, () => end('timeout'));
      for (const name of names) {
        const asked = this.#ask(name);
        if (asked === null) return end('too-many');
        asked.waiting.add(hear);
        open.add(asked);
        left++;
      }
      if (left === 0) end('answered');
    });
  }

  /** Decides until nothing is missing, or `deadlineMs` is over, or no more may wait; says whether nothing was. */
  async settle(
    namespace: string,
    decide: (view: MeshView) => unknown,
    deadlineMs: number,
    pod: object,
  ): Promise<'settled' | Exclude<NameOutcome, 'answered'>> {
    for (;;) {
      const { missing } = this.look(namespace, decide);
      if (missing.length === 0) return 'settled';
      const outcome = await this.wait(missing, deadlineMs, pod);
      if (outcome !== 'answered') return outcome;
    }
  }

  /** From the main thread; what it says is in force here. */
  answer(answers: readonly NameAnswer[]): void {
    const nowMs = this.#options.clock.monotonic();
    for (const { name, kind, forMs = Number.POSITIVE_INFINITY } of answers) {
      if (kind === 'forgotten') {
        this.#answers.delete(name);
        continue;
      }
      const asked = this.#asked.get(name);
      if (asked === undefined) continue;
      this.#asked.delete(name);
      if (kind !== 'too-many') this.#keep(name, nowMs + Math.min(forMs, NAME_DEMAND_LIMITS.answerMs));
      for (const hear of [...asked.waiting]) hear(kind);
    }
  }

  #isSettled(name: string): boolean {
    return (this.#answers.get(name) ?? 0) > this.#options.clock.monotonic();
  }

  #keep(name: string, untilMs: number): void {
    this.#answers.delete(name);
    this.#answers.set(name, untilMs);
    if (this.#answers.size <= NAME_DEMAND_LIMITS.answersMax) return;
    for (const oldest of this.#answers.keys()) {
      this.#answers.delete(oldest);
      return;
    }
  }

  #ask(name: string): Asked | null {
    const nowMs = this.#options.clock.monotonic();
    const known = this.#asked.get(name);
    if (known !== undefined && nowMs - known.sinceMs < NAME_DEMAND_LIMITS.unansweredMs) return known;
    if (known === undefined && this.#asked.size >= NAME_DEMAND_LIMITS.askedMax) return null;
    const asked = { sinceMs: nowMs, waiting: known?.waiting ?? new Set() };
    this.#asked.set(name, asked);
    // In one message all that a decision, or all decisions of this turn, miss.
    if (this.#toAsk.length === 0) queueMicrotask(() => this.#options.ask(this.#toAsk.splice(0)));
    this.#toAsk.push(name);
    return asked;
  }
}
