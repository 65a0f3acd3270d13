import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { until } from '@ambit/mesh/testing';
import type { SpawnPlaced } from '../world/world-process.ts';

/** How a program ended. */
export interface PeerOutcome {
  readonly code: number | null;
  /** Lines of standard output. */
  readonly lines: readonly string[];
  /** Standard error. */
  readonly complaint: string;
}

const STOP_MS = 3000;
/** How long a program may take to say something: generous, for a slow and busy machine. */
export const SAYS_MS = 30_000;
/** What is kept of what a program says, so that a chatty one stays bounded; the oldest goes first. */
const LINES_MAX = 100_000;
const COMPLAINT_CHARACTERS_MAX = 100_000;
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

/** A program of others that runs somewhere in a world. Disposal ends it. */
export class PeerProgram implements AsyncDisposable {
  readonly #command: string;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #ended: Promise<number | null>;
  #complaint = '';
  #hasEnded = false;

  /** `spawn` decides where it lives. */
  constructor(spawn: SpawnPlaced, command: string, args: readonly string[]) {
    this.#command = [command.replace(/^.*\//, ''), ...args].join(' ');
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: ENVIRONMENT });
    this.#child = child;
    child.stdin?.on('error', () => {});
    const output = child.stdout === null ? null : createInterface({ input: child.stdout });
    output?.on('line', (line) => {
      this.#lines.push(line);
      if (this.#lines.length > LINES_MAX) this.#lines.shift();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-COMPLAINT_CHARACTERS_MAX);
    });
    const { promise, resolve } = Promise.withResolvers<number | null>();
    child.once('error', (error) => {
      this.#complaint += error.message;
      resolve(null);
    });
    child.once('close', resolve);
    this.#ended = promise.then((code) => {
      this.#hasEnded = true;
      return code;
    });
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  get complaint(): string {
    return this.#complaint;
  }

  /** Writes one JSON value on a line of its standard input. */
  tell(value: unknown): void {
    this.#child.stdin?.write(`${JSON.stringify(value)}\n`);
  }

  /** The first line of output from index `from` on that `read` makes something of. @throws when it ends before. */
  async line<T>(what: string, read: (line: string) => T | undefined, from = 0): Promise<T> {
    return until(
      `${what} of ${this.#command}`,
      () => {
        for (const line of this.#lines.slice(from)) {
          const found = read(line);
          if (found !== undefined) return found;
        }
        if (this.#hasEnded) throw new Error(`${this.#command} has ended\n${this.#complaint}`);
        return undefined;
      },
      SAYS_MS,
    );
  }

  /** The first event of that name from line `from` on. */
  event<T>(name: string, from = 0): Promise<T> {
    const read = (line: string): T | undefined => {
      const value: unknown = JSON.parse(line);
      return Object(value).event === name ? (value as T) : undefined; // lint: our own program writes it
    };
    return this.line(name, read, from);
  }

  async outcome(): Promise<PeerOutcome> {
    return { code: await this.#ended, lines: this.#lines, complaint: this.#complaint };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return;
    this.#child.stdin?.end();
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    await this.#ended;
    clearTimeout(force);
  }
}

/** Runs a program to its end. */
export async function runPeer(spawn: SpawnPlaced, command: string, args: readonly string[]): Promise<PeerOutcome> {
  await using program = new PeerProgram(spawn, command, args);
  // Not without await: the program would be ended first.
  return await program.outcome();
}

/** Runs a program that writes one JSON value a line. @throws Error with its complaint when it fails. */
export async function askPeer<T>(spawn: SpawnPlaced, command: string, args: readonly string[]): Promise<readonly T[]> {
  const { code, lines, complaint } = await runPeer(spawn, command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${complaint}`);
  return lines.map((line) => JSON.parse(line) as T); // lint: our own program writes it
}
