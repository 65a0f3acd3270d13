import { parseDurationMs } from '@ambit/mesh/runtime';
import type { ConnectionSummary } from '../worker/worker-protocol.ts';

/** What `/connections` is asked for; an absent one is not asked about. Plain data, it crosses a thread boundary. */
export interface ConnectionFilter {
  readonly direction?: 'inbound' | 'outbound';
  /** Of the pod that this agent serves the connection for. */
  readonly namespace?: string;
  /** Of that pod: its name or its uid. */
  readonly pod?: string;
  /** Of either end, by SPIFFE ID. */
  readonly identity?: string;
  /** Host name of the service that was called. */
  readonly service?: string;
  /** `IP`, or `IP:port` as the connection is shown. */
  readonly source?: string;
  /** The same, of the address that was gone to or of what the tunnel request asked for. */
  readonly destination?: string;
  /** Open for at least so long. */
  readonly minAgeMs?: number;
  /** Has carried at least so many, both ways together. */
  readonly minBytes?: number;
}

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

/** Whether `connection` is one that is asked for. `nowMs` is of the clock of its `openedAtMs`. */
export function matchesConnection(filter: ConnectionFilter, connection: ConnectionSummary, nowMs: number): boolean {
  const { direction, namespace, pod, identity, service, source, destination, minAgeMs, minBytes } = filter;
  return (
    (direction === undefined || direction === connection.direction) &&
    (namespace === undefined || namespace === connection.podNamespace) &&
    (pod === undefined || pod === connection.pod || pod === connection.podName) &&
    (identity === undefined || identity === connection.sourceIdentity || identity === connection.destinationIdentity) &&
    (service === undefined || service === connection.service) &&
    (source === undefined || isAt(source, connection.source)) &&
    (destination === undefined ||
      isAt(destination, connection.destination) ||
      (connection.hboneAddress !== null && isAt(destination, connection.hboneAddress))) &&
    (minAgeMs === undefined || nowMs - connection.openedAtMs >= minAgeMs) &&
    (minBytes === undefined || connection.bytesSent + connection.bytesReceived >= minBytes)
  );
}

/** `wanted` is `address`, or the address without its port, with or without the brackets of IPv6. */
function isAt(wanted: string, address: string): boolean {
  if (wanted === address) return true;
  const host = address.slice(0, address.lastIndexOf(':'));
  return wanted === host || `[${wanted}]` === host;
}
