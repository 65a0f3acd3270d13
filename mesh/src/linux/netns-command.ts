import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { type NetnsHandle, runInNetns } from './netns.ts';

export interface NetnsCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** Written to its standard input, which is empty otherwise. */
  readonly input?: string;
  /** The program is killed and the call rejects once this has passed. */
  readonly timeoutMs: number;
}

export interface NetnsCommandResult {
  /** Exit code, or null when a signal ended it. */
  readonly code: number | null;
  readonly output: string;
  readonly errorOutput: string;
}

/** What is kept of each output; the rest is read and dropped. */
const OUTPUT_CHARACTERS_MAX = 256 * 1024;

/**
 * Runs a program inside `netns` and resolves when it has ended, whatever its exit code. Rejects with a Node error when it
 * cannot be started, with a TimeoutError, or with the signal's reason after it was killed.
 */
export function runCommandInNetns(
  netns: NetnsHandle,
  command: NetnsCommand,
  signal?: AbortSignal,
): Promise<NetnsCommandResult> {
  const timeout = AbortSignal.timeout(command.timeoutMs);
  const stop = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
  return new Promise((resolve, reject) => {
    const child = spawnInNetns(netns, command);
    const output = collect(child.stdout);
    const errorOutput = collect(child.stderr);
    const kill = (): void => void child.kill('SIGKILL');
    const settle = (done: () => void): void => {
      stop.removeEventListener('abort', kill);
      done();
    };
    child
      .on('error', (error) => settle(() => reject(error)))
      .on('close', (code) =>
        settle(() => {
          if (stop.aborted) reject(stop.reason);
          else resolve({ code, output: output(), errorOutput: errorOutput() });
        }),
      );
    stop.addEventListener('abort', kill, { once: true });
    if (stop.aborted) kill();
    // A program that ends without reading its input breaks the pipe; its exit code tells why.
    child.stdin.on('error', () => {}).end(command.input ?? '');
  });
}

function spawnInNetns(netns: NetnsHandle, command: NetnsCommand): ChildProcessByStdio<Writable, Readable, Readable> {
  // libuv forks on the calling thread before spawn returns: the child is born in the namespace.
  return runInNetns(netns, () => spawn(command.program, [...command.args], { stdio: ['pipe', 'pipe', 'pipe'] }));
}

function collect(stream: Readable): () => string {
  let text = '';
  stream
    .on('error', () => {})
    .setEncoding('utf8')
    .on('data', (chunk: string) => {
      if (text.length < OUTPUT_CHARACTERS_MAX) text += chunk;
    });
  return () => text;
}
