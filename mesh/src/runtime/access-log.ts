import { closeSync, openSync } from 'node:fs';
import type { Clock } from './clock.ts';
import { EnvironmentError } from './environment.ts';
import { createLineSink, type WritableLineSink } from './line-sink.ts';

/** Where the access log of a worker goes. Can be posted to a thread. */
export type AccessLogTarget =
  | { readonly kind: 'off' }
  | { readonly kind: 'fd'; readonly fd: number }
  | { readonly kind: 'file'; readonly path: string };

/**
 * Of AMBIT_ACCESS_LOG, which is `stdout`, `off` or the path of a file; `logFd` is the descriptor of the process's own log.
 * @throws EnvironmentError when the file cannot be opened, before any thread would die of it.
 */
export function accessLogTarget(setting: string, logFd: number): AccessLogTarget {
  if (setting === 'off') return { kind: 'off' };
  if (setting === 'stdout') return { kind: 'fd', fd: logFd };
  try {
    closeSync(openToAppend(setting));
  } catch (cause) {
    const why = cause instanceof Error ? ` (${cause.message})` : '';
    const expected = `stdout, off, or the path of a file that can be written${why}`;
    throw new EnvironmentError(
      'environment-invalid',
      { variable: 'AMBIT_ACCESS_LOG', value: setting, expected },
      { cause },
    );
  }
  return { kind: 'file', path: setting };
}

/** Undefined when there shall be none. @throws when the file cannot be opened. */
export function openAccessLog(target: AccessLogTarget, clock: Clock): WritableLineSink | undefined {
  if (target.kind === 'off') return undefined;
  const fd = target.kind === 'fd' ? target.fd : openToAppend(target.path);
  return createLineSink({ fd, clock });
}

function openToAppend(path: string): number {
  return openSync(path, 'a', 0o640);
}
