import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BenchError } from '../errors.ts';

const STOP_GRACE_MS = 3_000;
const LOG_TAIL_CHARS = 800;

export interface ChildSpec {
  /** Unique within one bench: also the name of the log file. */
  readonly name: string;
  /** Network namespace to run in; absent: that of the bench. */
  readonly netns?: string;
  /** The one core the process and all its threads may use; absent: all of them. */
  readonly core?: number;
  readonly command: readonly [string, ...string[]];
  readonly env?: NodeJS.ProcessEnv;
}

/** A running program of the bench. `pid` is the program itself, not a wrapper. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Throws `process-died` with the end of its log when it has exited. */
  assertAlive(): void;
  stop(): Promise<void>;
}

/** Before a command: it runs only while nobody else has anything to do on its core. */
export const IDLE_COMMAND = ['chrt', '--idle', '0'] as const;

/** Command line that enters a namespace, dies with its parent and stays on one core; each step replaces itself by exec. */
export function pinnedCommand(netns: string, core: number, command: readonly string[]): [string, ...string[]] {
  return placedCommand({ netns, core, command });
}

/** As `pinnedCommand`, where each place may be absent: then that of the bench, or all cores. */
export function placedCommand({
  netns,
  core,
  command,
}: Omit<ChildSpec, 'name' | 'command'> & { readonly command: readonly string[] }): [string, ...string[]] {
  const pinned = core === undefined ? command : ['taskset', '-c', String(core), ...command];
  const mortal: [string, ...string[]] = ['setpriv', '--pdeathsig', 'KILL', ...pinned];
  return netns === undefined ? mortal : ['nsenter', `--net=/run/netns/${netns}`, ...mortal];
}

/** Owns every long-running program of one bench; disposal stops them all, last started first. */
export class ChildProcesses implements AsyncDisposable {
  readonly #directory: string;
  readonly #children: Child[] = [];

  constructor(logDirectory: string) {
    this.#directory = logDirectory;
  }

  start(spec: ChildSpec): Child {
    const logFile = join(this.#directory, `${spec.name}.log`);
    const log = openSync(logFile, 'a');
    const [program, ...args] = placedCommand(spec);
    const child = spawn(program, args, {
      stdio: ['ignore', log, log],
      ...(spec.env === undefined ? {} : { env: spec.env }),
    }).on('error', () => {});
    closeSync(log);
    if (child.pid === undefined)
      throw new BenchError('process-died', 'a program did not start', { data: { name: spec.name } });
    const started = wrapChild(spec.name, child, child.pid, logFile);
    this.#children.push(started);
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.splice(0).reverse()) await child.stop();
  }
}

function wrapChild(name: string, child: ChildProcess, pid: number, logFile: string): Child {
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const isGone = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    name,
    pid,
    logFile,
    assertAlive(): void {
      if (!isGone()) return;
      const log = readFileSync(logFile, 'utf8').slice(-LOG_TAIL_CHARS);
      throw new BenchError('process-died', 'a program of the bench died', { data: { name, log } });
    },
    async stop(): Promise<void> {
      if (isGone()) return;
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
      await exited;
      clearTimeout(force);
    },
  };
}
