export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
/** Level of a line; `off` is only a threshold. */
export type LineLevel = Exclude<LogLevel, 'off'>;

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, off: 4 };
const FILTER = /^(?:debug|info|warn|error|off)(?:,[a-z0-9._:-]{1,64}=(?:debug|info|warn|error|off)){0,64}$/;

/** `LEVEL[,scope=LEVEL...]`, for example `info,access=off,xds=debug`. */
export function isLevelFilter(text: string): boolean {
  return FILTER.test(text);
}

/** Thresholds by scope. A scope without an entry has the first level. */
export interface LogFilter {
  readonly text: string;
  allows(level: LineLevel, scope: string): boolean;
}

/** @throws RangeError when `isLevelFilter(text)` is false. */
export function parseLogFilter(text: string): LogFilter {
  if (!isLevelFilter(text)) throw new RangeError('not a log filter');
  const [first = '', ...rest] = text.split(',');
  const base = rankOf(first);
  const byScope = new Map<string, number>();
  for (const entry of rest) {
    const [scope = '', level = ''] = entry.split('=');
    byScope.set(scope, rankOf(level));
  }
  const thresholdOf = byScope.size === 0 ? () => base : (scope: string) => byScope.get(scope) ?? base;
  return { text, allows: (level, scope) => RANK[level] >= thresholdOf(scope) };
}

function rankOf(name: string): number {
  const level = LOG_LEVELS.find((candidate) => candidate === name);
  if (level === undefined) throw new RangeError('not a log level');
  return RANK[level];
}
