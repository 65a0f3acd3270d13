import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { BenchError } from '../errors.ts';
import { IDLE_COMMAND, placedCommand } from './child-processes.ts';

export interface LineProgramOptions {
  readonly node: string;
  /** TypeScript, run from source. */
  readonly program: string;
  readonly args: readonly string[];
  /** Of Node. */
  readonly nodeArgs?: readonly string[];
  /** What it means when it ends by itself. */
  readonly failure: string;
  /** Absent: where the bench is. */
  readonly place?: ProgramPlace;
  /** Kills it, for one that does not see the end of its input while it is at work. */
  readonly signal?: AbortSignal;
}

/** Where a program runs, and who goes before whom there. */
export interface ProgramPlace {
  /** Absent: that of the bench. */
  readonly netns?: string;
  /** Absent: all of them. */
  readonly core?: number;
  /** From -20, before all others, to 19; `idle`: only while nobody else has anything to do; absent: as the bench. */
  readonly niceness?: number | 'idle';
}

/** A program that says `ready` and then answers every line with a line. Disposing it ends it, with its input. */
export interface LineProgram extends AsyncDisposable {
  /** The answer to a line, an empty one unless it is given. @throws BenchError `peer-failed` when the program has ended. */
  ask(line?: string): Promise<string>;
}

/** Resolves once the program is ready. @throws BenchError `peer-failed` when it ends before. */
export async function openLineProgram(options: LineProgramOptions): Promise<LineProgram> {
  const { failure } = options;
  const [program, ...args] = commandOf(options);
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.signal === undefined ? {} : { signal: options.signal, killSignal: 'SIGKILL' as const }),
  });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  let ended = '';
  const exited = new Promise<void>((resolve) => {
    child.once('close', (code, signal) => {
      ended = signal ?? `exit code ${code}`;
      resolve();
    });
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done !== true) return value;
    // What it said last may come after the end of its lines.
    await exited;
    const { reason } = options.signal?.aborted === true ? options.signal : {};
    throw new BenchError('peer-failed', failure, { cause: reason, data: { said: said.slice(-300), ended } });
  };
  const running: LineProgram = {
    ask(line = '') {
      child.stdin.write(`${line}\n`);
      return next();
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await exited;
    },
  };
  try {
    await next();
  } catch (error) {
    await running[Symbol.asyncDispose]();
    throw error;
  }
  return running;
}

function commandOf({ node, nodeArgs = [], program, args, place }: LineProgramOptions): [string, ...string[]] {
  const command = [node, '--conditions=source', ...nodeArgs, program, ...args] as const;
  return placedCommand({ ...place, command: [...scheduled(place?.niceness), ...command] });
}

function scheduled(niceness: ProgramPlace['niceness']): readonly string[] {
  if (niceness === undefined) return [];
  return niceness === 'idle' ? IDLE_COMMAND : ['nice', '-n', String(niceness)];
}
