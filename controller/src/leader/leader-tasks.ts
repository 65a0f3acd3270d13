import { type Clock, createBackoff, type Logger } from '@ambit/mesh/runtime';
import type { LeaderGate, LeaderWork } from './leader-gate.ts';

/** Pauses between runs of work that fails. */
const RESTART_BACKOFF = { initialMs: 500, maxMs: 30_000, factor: 2, jitter: 0.2 } as const;

interface Task {
  readonly name: string;
  readonly work: LeaderWork;
  /** Settles when the last run has; the next begins after it. */
  last: Promise<void>;
}

/** The work of leaders in this process, started and stopped by whoever holds the election. */
export class LeaderTasks implements LeaderGate {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tasks: Task[] = [];
  #term: AbortSignal | null = null;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  get isLeading(): boolean {
    return this.#term?.aborted === false;
  }

  whileLeading(name: string, work: LeaderWork): void {
    const task: Task = { name, work, last: Promise.resolve() };
    this.#tasks.push(task);
    if (this.#term?.aborted === false) this.#start(task, this.#term);
  }

  /** A term of this replica begins; it ends when `term` aborts. */
  begin(term: AbortSignal): void {
    this.#term = term;
    for (const task of this.#tasks) this.#start(task, term);
  }

  /** Resolves when nothing that was started runs any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#tasks.map((task) => task.last));
  }

  #start(task: Task, term: AbortSignal): void {
    task.last = task.last.then(() => this.#run(task, term));
  }

  /** Never rejects. */
  async #run({ name, work }: Task, term: AbortSignal): Promise<void> {
    const backoff = createBackoff(RESTART_BACKOFF);
    while (!term.aborted) {
      try {
        await work(term);
        return;
      } catch (error) {
        if (term.aborted) return;
        this.#logger.warn('work of the leader failed', { work: name, error });
        await this.#clock.sleep(backoff.nextMs(), term).catch(() => {});
      }
    }
  }
}
