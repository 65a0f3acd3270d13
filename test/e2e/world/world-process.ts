import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

export interface ProcessPlan {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment: nothing of the test's own leaks in. */
  readonly environment: Readonly<Record<string, string>>;
  /** Standard output and error are appended here. */
  readonly logFile: string;
}

/** Starts a program where it shall live. */
export type SpawnPlaced = (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess;

const FORCE_AFTER_MS = 8000;

/** An Ambit process of a world, which a test may kill and start again. Disposal ends it. */
export class WorldProcess implements AsyncDisposable {
  readonly plan: ProcessPlan;
  readonly #spawn: SpawnPlaced;
  #running: { readonly child: ChildProcess; readonly exited: Promise<void> } | null = null;

  constructor(plan: ProcessPlan, spawn: SpawnPlaced) {
    this.plan = plan;
    this.#spawn = spawn;
  }

  get pid(): number | null {
    return this.#running?.child.pid ?? null;
  }

  /** What it wrote so far, over all its lives. */
  get log(): string {
    return readFileSync(this.plan.logFile, 'utf8');
  }

  start(): void {
    if (this.#running !== null) throw new Error(`${this.plan.name} runs already`);
    const log = openSync(this.plan.logFile, 'a');
    try {
      const { command, args, environment } = this.plan;
      const child = this.#spawn(command, args, { stdio: ['ignore', log, log], env: { ...environment } });
      const exited = new Promise<void>((resolve) => {
        const done = (): void => {
          this.#running = null;
          resolve();
        };
        child.once('error', done);
        child.once('exit', done);
      });
      this.#running = { child, exited };
    } finally {
      closeSync(log);
    }
  }

  /** Sends `signal` and leaves the process the time it takes. */
  tell(signal: 'SIGTERM'): void {
    this.#running?.child.kill(signal);
  }

  /** Resolves once it does not run. */
  get exited(): Promise<void> {
    return this.#running?.exited ?? Promise.resolve();
  }

  /** Sends `signal` and waits until the process is gone. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.#running === null) return;
    const { child, exited } = this.#running;
    child.kill(signal);
    const force = setTimeout(() => child.kill('SIGKILL'), FORCE_AFTER_MS);
    await exited;
    clearTimeout(force);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGTERM');
  }
}
