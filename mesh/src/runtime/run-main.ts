import type { Environment } from './environment.ts';
import { createEnvironment, EnvironmentError } from './environment.ts';
import { LocalConfigError } from './local-config.ts';
import { serializeError } from './log-fields.ts';
import { formatTextLine } from './log-text.ts';

/** What a process's main function gets instead of touching `process`. */
export interface MainContext {
  /** Arguments after the script's name. */
  readonly args: readonly string[];
  readonly environment: Environment;
  /** Aborts on the first SIGTERM or SIGINT: stop orderly. A second signal ends the process at once. */
  readonly signal: AbortSignal;
  /** Writes text for people to standard output. Logs go through a logger over descriptor `logFd`. */
  print(text: string): void;
  readonly logFd: number;
  /** Runs when the process dies of a bug, before it exits: flush logs. Must not wait. */
  onFatal(callback: () => void): void;
}

export interface MainOptions {
  readonly name: string;
  readonly version: string;
  /** Text of `--help`. */
  readonly usage: string;
  /** Resolves with the exit code; undefined is 0. */
  readonly run: (context: MainContext) => Promise<number | undefined>;
}

/** Exit codes of every Ambit process. */
export const EXIT = { ok: 0, failed: 1, usage: 2, fatal: 70, interrupted: 130 } as const;

/** Wrong arguments: the process prints the message and exits with `EXIT.usage`. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const STANDARD_OUTPUT_FD = 1;
const NODE_MAJOR_MIN = 24;

/** Runs `run` and ends the process with its code. `--help` and `--version` are answered before. Call it once, from main.ts. */
export async function runMain(options: MainOptions): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) return printAndExit(options.usage);
  if (args.includes('--version')) return printAndExit(`${options.name} ${options.version}`);
  if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN) {
    process.stderr.write(
      `${options.name} needs Node ${NODE_MAJOR_MIN}, but this is ${process.versions.node}: ` +
        'start it with the one that npm installed, node_modules/.bin/node\n',
    );
    process.exit(EXIT.usage);
  }
  const fatalCallbacks: (() => void)[] = [];
  const fatal = (message: string, error: unknown): never => {
    for (const callback of fatalCallbacks) callback();
    report(options.name, message, error);
    process.exit(EXIT.fatal);
  };
  process.on('uncaughtException', (error) => fatal('uncaught exception', error));
  process.on('unhandledRejection', (reason) => fatal('unhandled rejection', reason));
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(EXIT.interrupted);
      stop.abort(new DOMException(name, 'AbortError'));
    });
  }
  try {
    const code = await options.run({
      args,
      environment: createEnvironment(process.env),
      signal: stop.signal,
      print: (text) => void process.stdout.write(`${text}\n`),
      logFd: STANDARD_OUTPUT_FD,
      onFatal: (callback) => void fatalCallbacks.push(callback),
    });
    process.exit(code ?? EXIT.ok);
  } catch (error) {
    for (const callback of fatalCallbacks) callback();
    const text = textForAuthor(options, error);
    if (text === null) report(options.name, 'process failed', error);
    else process.stderr.write(`${text}\n`);
    process.exit(text === null ? EXIT.failed : EXIT.usage);
  }
}

/** For the person who typed the arguments, set the variable or wrote the file; null for a failure that is nobody's typing. */
function textForAuthor({ name, usage }: MainOptions, error: unknown): string | null {
  if (error instanceof UsageError) return `${error.message}\n\n${usage}`;
  if (error instanceof EnvironmentError) return `${name}: ${describe(error)}`;
  if (error instanceof LocalConfigError) return `${name}: AMBIT_LOCAL_CONFIG: ${describeLocal(error)}`;
  return null;
}

function describeLocal({ message, data }: LocalConfigError): string {
  const { path, expected, reason } = data;
  return `${message}; ${String(path)}: ${expected === undefined ? String(reason) : `expected ${String(expected)}`}`;
}

function describe({ message, data }: EnvironmentError): string {
  const value = data['value'] === undefined ? '' : ` (${JSON.stringify(data['value'])})`;
  return `${String(data['variable'])}: ${message}${value}; expected ${String(data['expected'])}`;
}

function printAndExit(text: string): void {
  process.stdout.write(`${text}\n`, () => process.exit(EXIT.ok));
}

function report(name: string, message: string, error: unknown): void {
  const fields = { error: serializeError(error) };
  process.stderr.write(formatTextLine(new Date().toISOString(), 'error', name, message, fields));
}
