import { fileURLToPath } from 'node:url';
import type { SpawnProgram } from '../world/apps/app-handle.ts';
import { LineProcess } from './line-process.ts';
import { checkPlan, type LoadPlan } from './load-plan.ts';
import type { LoadCommand, LoadEvent, LoadReport } from './load-report.ts';

/** A test's grip on a generator. Owns the process; disposal ends it. */
export class LoadGenerator implements AsyncDisposable {
  readonly #process: LineProcess<LoadEvent>;
  #reportCount = 0;

  private constructor(process: LineProcess<LoadEvent>) {
    this.#process = process;
  }

  /** Resolves when requests leave. @throws RangeError for a plan out of bounds. */
  static async start(plan: LoadPlan, spawn: SpawnProgram): Promise<LoadGenerator> {
    const program = fileURLToPath(new URL('./load-main.ts', import.meta.url));
    const child = spawn(process.execPath, [program, JSON.stringify(checkPlan(plan))]);
    const lines = new LineProcess<LoadEvent>('the load generator', child);
    await lines.heard('that it started', (heard) => heard.find(({ event }) => event === 'started'));
    return new LoadGenerator(lines);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Names this instant in the report; resolves when it is noted. A name is used once. */
  async mark(name: string): Promise<void> {
    this.#command({ mark: name });
    await this.#process.heard(`that it marked ${name}`, (heard) =>
      heard.find((event) => event.event === 'marked' && event.name === name),
    );
  }

  /** The report as it is now. */
  soFar(): Promise<LoadReport> {
    const id = ++this.#reportCount;
    this.#command({ report: id });
    return this.#process.heard('its report so far', (heard) =>
      heard.flatMap((event) => (event.event === 'so-far' && event.id === id ? [event.report] : [])).at(0),
    );
  }

  /** Resolves with the report when the plan's time is over. */
  ended(): Promise<LoadReport> {
    return this.#process.heard('its report', (heard) =>
      heard.flatMap((event) => (event.event === 'ended' ? [event.report] : [])).at(0),
    );
  }

  /** Ends the run now, in order. */
  stop(): Promise<LoadReport> {
    this.#command({ stop: true });
    return this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }

  #command(command: LoadCommand): void {
    this.#process.tell(command);
  }
}
