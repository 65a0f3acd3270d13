import { execFile } from 'node:child_process';
import { BenchError } from '../errors.ts';

/** Most output kept of one command; a helper that prints more is misbehaving. */
const OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024;

export interface CommandOptions {
  readonly input?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Runs a program to its end and returns its standard output. Throws `command-failed` with the end of standard error when
 * it exits non-zero, runs longer than `timeoutMs` or is aborted; the program is killed in the last two cases.
 */
export function runCommand(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      [...args],
      {
        maxBuffer: OUTPUT_LIMIT_BYTES,
        encoding: 'utf8',
        killSignal: 'SIGKILL',
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
        ...(options.env === undefined ? {} : { env: options.env }),
      },
      (cause, stdout, stderr) => {
        if (cause === null) {
          resolve(stdout);
          return;
        }
        const said = `${stderr}${stderr === '' ? stdout : ''}`.trim().slice(-600);
        const command = [program, ...args].join(' ').slice(0, 300);
        reject(new BenchError('command-failed', 'a command of the bench failed', { cause, data: { command, said } }));
      },
    );
    // A program that exits before reading its input makes the write fail; its exit code says more than that.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

/** True when the program is found on the search path. */
export async function isInstalled(program: string): Promise<boolean> {
  try {
    await runCommand('sh', ['-c', 'command -v "$1"', 'sh', program]);
    return true;
  } catch {
    return false;
  }
}
