import { parseDurationMs } from '@ambit/mesh/runtime';
import type { ConnectionFilter } from './match-connection.ts';

/** The words of the query, beside `limit`. */
const TEXTS = ['namespace', 'pod', 'identity', 'service', 'source', 'destination'] as const;
const LIMIT_DEFAULT = 1000;
const LIMIT_MAX = 100_000;

const NAMES = ['direction', ...TEXTS, 'min-age', 'min-bytes', 'limit'] as const;

/** How `/connections` is asked, for its index page and its errors. */
export const CONNECTIONS_USAGE: string = NAMES.join(', ');

export type ConnectionQuery =
  | { readonly kind: 'asked'; readonly filter: ConnectionFilter; readonly limit: number }
  /** `error` names the parameter, its value and what was expected. */
  | { readonly kind: 'bad'; readonly error: string };

/** What the query of `/connections` asks for. */
export function readConnectionQuery(query: URLSearchParams): ConnectionQuery {
  for (const [name, value] of query) {
    const expected = complaint(name, value, query);
    if (expected !== null) {
      const shown = `${name.slice(0, 64)}=${value.slice(0, 200)}`;
      return { kind: 'bad', error: `${JSON.stringify(shown)}: expected ${expected}` };
    }
  }
  const direction = query.get('direction');
  const [age, bytes] = [query.get('min-age'), query.get('min-bytes')];
  const texts = TEXTS.flatMap((name) => (query.has(name) ? [[name, query.get(name)] as const] : []));
  return {
    kind: 'asked',
    limit: Number(query.get('limit') ?? LIMIT_DEFAULT),
    filter: {
      ...(direction === 'inbound' || direction === 'outbound' ? { direction } : {}),
      ...Object.fromEntries(texts),
      ...(age === null ? {} : { minAgeMs: parseDurationMs(age) }),
      ...(bytes === null ? {} : { minBytes: Number(bytes) }),
    },
  };
}

/** What was expected in place of this parameter; null when it is good. */
function complaint(name: string, value: string, query: URLSearchParams): string | null {
  if (!NAMES.some((known) => known === name)) return `one of ${CONNECTIONS_USAGE}`;
  if (query.getAll(name).length > 1) return 'each parameter once';
  if (value === '') return 'a value';
  if (name === 'direction' && value !== 'inbound' && value !== 'outbound') return 'inbound or outbound';
  if (name === 'limit' && !isWholeNumber(value, 1, LIMIT_MAX)) return `a whole number from 1 to ${LIMIT_MAX}`;
  if (name === 'min-bytes' && !isWholeNumber(value, 0, Number.MAX_SAFE_INTEGER)) return 'a number of bytes';
  if (name === 'min-age' && !isDuration(value)) return 'a duration such as 30s, 5m, 1h';
  return null;
}

function isWholeNumber(text: string, min: number, max: number): boolean {
  return /^\d{1,16}$/.test(text) && Number(text) >= min && Number(text) <= max;
}

function isDuration(text: string): boolean {
  try {
    parseDurationMs(text);
    return true;
  } catch {
    return false;
  }
}
