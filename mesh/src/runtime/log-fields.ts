import { MeshError } from './errors.ts';

const SECRET_KEY = /token|secret|password|passphrase|private.?key|authorization$|cookie/i;
const SECRET_VALUE = 'PRIVATE KEY-----';
const REDACTED = '[redacted]';
const CAUSES_MAX = 8;
const TEXT_CHARACTERS_MAX = 8 * 1024;
const DEPTH_MAX = 5;
const ITEMS_MAX = 100;

/** What a log shows of an error. `stack` only where nobody threw it on purpose, that is for anything but a MeshError. */
export interface SerializedError {
  readonly type: string;
  readonly code?: string;
  readonly message: string;
  readonly data?: unknown;
  readonly stack?: string;
  readonly causes?: readonly SerializedError[];
}

/** Error with its code, data and chain of causes (at most 8, AggregateError's parts included). */
export function serializeError(error: unknown): SerializedError {
  const causes: SerializedError[] = [];
  const seen = new Set<unknown>([error]);
  const open = childrenOf(error);
  for (let next = open.shift(); next !== undefined && causes.length < CAUSES_MAX; next = open.shift()) {
    if (seen.has(next)) continue;
    seen.add(next);
    causes.push(describe(next));
    open.push(...childrenOf(next));
  }
  const own = describe(error);
  return causes.length === 0 ? own : { ...own, causes };
}

function childrenOf(error: unknown): unknown[] {
  if (!(error instanceof Error)) return [];
  const parts = error instanceof AggregateError ? error.errors.slice(0, CAUSES_MAX) : [];
  return error.cause === undefined ? parts : [...parts, error.cause];
}

function describe(error: unknown): SerializedError {
  if (!(error instanceof Error)) return { type: typeof error, message: clip(String(error)) };
  const code =
    'code' in error && (typeof error.code === 'string' || typeof error.code === 'number') ? error.code : null;
  const data = error instanceof MeshError ? error.data : 'detail' in error ? error.detail : undefined;
  return {
    type: error.name,
    ...(code === null ? {} : { code: String(code) }),
    message: clip(error.message),
    ...(data === undefined || Object.keys(data ?? {}).length === 0 ? {} : { data: safeValue('data', data) }),
    ...(error instanceof MeshError || error.stack === undefined ? {} : { stack: clip(error.stack) }),
  };
}

/**
 * A field's value as it may be written: secrets replaced, errors serialised, depth, length and width bounded, no cycles, no
 * bytes. Never throws.
 */
export function safeValue(key: string, value: unknown, depth = 0): unknown {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return value;
  if (SECRET_KEY.test(key)) return REDACTED;
  if (typeof value === 'string') return value.includes(SECRET_VALUE) ? REDACTED : clip(value);
  if (value instanceof Error) return serializeError(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object') return `[${typeof value}]`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= DEPTH_MAX) return '[...]';
  try {
    if (Array.isArray(value)) return value.slice(0, ITEMS_MAX).map((item) => safeValue(key, item, depth + 1));
    if (value instanceof Map || value instanceof Set) return safeValue(key, [...value], depth);
    const entries = Object.entries(value).slice(0, ITEMS_MAX);
    return Object.fromEntries(entries.map(([name, item]) => [name, safeValue(name, item, depth + 1)]));
  } catch {
    return '[unreadable]';
  }
}

function clip(text: string): string {
  return text.length <= TEXT_CHARACTERS_MAX ? text : `${text.slice(0, TEXT_CHARACTERS_MAX)}...`;
}
