import { type ChildProcess, spawn } from 'node:child_process';
import { until } from '@ambit/mesh/testing';

const OUTPUT_CHARACTERS_MAX = 50_000;
const START_MS = 60_000;
const STOP_MS = 10_000;
const TAIL_LINES = 15;

/** A server that a test started; disposal kills it. */
export class ServerProcess implements AsyncDisposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = '';
  #hasEnded = false;

  constructor(command: string, args: readonly string[]) {
    this.#name = command.replace(/^.*\//, '');
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'] } });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-OUTPUT_CHARACTERS_MAX);
      });
    }
    this.#ended = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        this.#output += error.message;
        resolve();
      });
      child.once('close', () => resolve());
    }).then(() => {
      this.#hasEnded = true;
    });
  }

  /** Resolves once `isReady` says so. @throws Error with the last lines it printed when it ends or takes too long. */
  async ready(isReady: () => Promise<boolean>): Promise<void> {
    await until(
      `${this.#name} is ready`,
      async () => {
        if (this.#hasEnded) throw new Error(`${this.#name} has ended:\n${this.#tail()}`);
        return isReady();
      },
      START_MS,
    ).catch((cause: unknown) => {
      throw new Error(`${this.#name} did not start:\n${this.#tail()}`, { cause });
    });
  }

  /** Ends it without warning, as a crash would. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await until(`${this.#name} has ended`, () => this.#hasEnded, STOP_MS);
    await this.#ended;
  }

  /** Holds it still, as a machine that hangs would; `resume` lets it go on. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) await this.kill();
  }

  #tail(): string {
    return this.#output.trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  }
}
