import { openSync } from 'node:fs';
import type { Clock } from './clock.ts';
import { createLineSink, type LineSink } from './line-sink.ts';

/** Where the access log of a worker goes. Can be posted to a thread. */
export type AccessLogTarget =
  | { readonly kind: 'off' }
  | { readonly kind: 'fd'; readonly fd: number }
  | { readonly kind: 'file'; readonly path: string };

/** Of a setting `stdout`, `off` or the path of a file; `logFd` is the descriptor of the process's own log. */
export function accessLogTarget(setting: string, logFd: number): AccessLogTarget {
  if (setting === 'off') return { kind: 'off' };
  return setting === 'stdout' ? { kind: 'fd', fd: logFd } : { kind: 'file', path: setting };
}

/** Undefined when there shall be none. @throws when the file cannot be opened. */
export function openAccessLog(target: AccessLogTarget, clock: Clock): LineSink | undefined {
  if (target.kind === 'off') return undefined;
  const fd = target.kind === 'fd' ? target.fd : openSync(target.path, 'a', 0o640);
  return createLineSink({ fd, clock });
}
