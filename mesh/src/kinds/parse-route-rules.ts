import { parseDurationMs } from '../routes/duration.ts';
import {
  NO_FILTERS,
  NO_TIMEOUTS,
  type RetryPolicy,
  type RouteRule,
  type RuleFault,
  type RuleFilters,
  type RuleTimeouts,
  type SessionPolicy,
  type WeightedBackend,
} from '../routes/rule.ts';
import { KindError } from './errors.ts';
import type { FieldReader } from './field-reader.ts';
import { type FilterType, parseFilters } from './parse-route-filters.ts';
import { isHeaderName, parseEnum } from './parse-route-matches.ts';
import { parseBackendRef, parseSectionName, parseWeight } from './parse-route-refs.ts';
import { ROUTE_LIMITS } from './route-limits.ts';
import type { BackendRef } from './route-objects.ts';

/** How the rules of one kind are read. */
export interface RuleShape<M> {
  readonly fields: readonly string[];
  readonly filters: readonly FilterType[];
  readonly parseMatch: (reader: FieldReader) => M;
  /** What a rule without matches matches. */
  readonly everything: readonly M[];
  /** The path prefix that a match says something of, when it does and that is all. */
  readonly isPrefixMatch: (match: M) => boolean;
}

/**
 * `spec.rules`. A rule with something that this version does not know stays, with its fault: then what it matches can be
 * refused instead of falling to a wider rule. @throws KindError for what no version of Gateway API allows.
 */
export function parseRules<M>(
  spec: FieldReader,
  shape: RuleShape<M>,
  namespace: string,
): readonly RouteRule<M, BackendRef>[] {
  let matches = 0;
  const rules = spec.objects(
    'rules',
    (reader) => {
      const listed = reader.raw('matches');
      matches += Array.isArray(listed) ? listed.length : 1;
      return parseRule(reader, shape, namespace);
    },
    ROUTE_LIMITS.rules,
  );
  if (matches > ROUTE_LIMITS.matches) {
    spec.unsupported('rules', `a route may have at most ${ROUTE_LIMITS.matches} matches in all its rules`);
  }
  const names = rules.flatMap(({ name }) => (name === null ? [] : [name]));
  if (new Set(names).size < names.length) spec.fail('rules', 'a list in which each name is used once');
  return rules;
}

function parseRule<M>(reader: FieldReader, shape: RuleShape<M>, namespace: string): RouteRule<M, BackendRef> {
  reader.allowOnly(shape.fields);
  const faults: RuleFault[] = [];
  const name = parseSectionName(reader, 'name');
  const listed = reader
    .objects('matches', (match) => tolerate(faults, () => shape.parseMatch(match)), ROUTE_LIMITS.matchesOfRule)
    .filter((match) => match !== null);
  const matches = listed.length === 0 && faults.length === 0 ? shape.everything : listed;
  const filters = tolerate(faults, () => parseFilters(reader, shape.filters, namespace)) ?? NO_FILTERS;
  const backends = reader
    .objects('backendRefs', (ref) => tolerate(faults, () => parseBackend(ref, shape, namespace)), ROUTE_LIMITS.backends)
    .filter((backend) => backend !== null);
  const timeouts = parseTimeouts(reader);
  const retry = tolerate(faults, () => parseRetry(reader));
  const session = tolerate(faults, () => parseSession(reader));
  checkRedirect(reader, filters, backends);
  const fault = faults[0] ?? filterFault(reader, filters, backends, matches, shape);
  return fault === null
    ? { name, matches, filters, backends, timeouts, retry, session, fault: null }
    : { name, matches, filters: NO_FILTERS, backends: [], timeouts: NO_TIMEOUTS, retry: null, session: null, fault };
}

/** What `parse` gives, or null and a fault when this version does not know something in it. */
function tolerate<T>(faults: RuleFault[], parse: () => T): T | null {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof KindError) || error.code !== 'unsupported-value') throw error;
    faults.push({ reason: 'UnsupportedValue', message: error.message });
    return null;
  }
}

function parseBackend<M>(reader: FieldReader, shape: RuleShape<M>, namespace: string): WeightedBackend<BackendRef> {
  const backend = parseBackendRef(reader, namespace, ['weight', 'filters']);
  return { backend, weight: parseWeight(reader), filters: parseFilters(reader, shape.filters, namespace) };
}

/** The backends of a route that sees connections: without filters. @throws KindError. */
export function parseStreamBackends(reader: FieldReader, namespace: string): readonly WeightedBackend<BackendRef>[] {
  const backends = reader.objects(
    'backendRefs',
    (ref) => ({
      backend: parseBackendRef(ref, namespace, ['weight']),
      weight: parseWeight(ref),
      filters: NO_FILTERS,
    }),
    ROUTE_LIMITS.backends,
  );
  return backends.length > 0 ? backends : reader.fail('backendRefs', 'a list with at least one backend');
}

function checkRedirect(
  reader: FieldReader,
  filters: RuleFilters<BackendRef>,
  backends: readonly WeightedBackend<BackendRef>[],
): void {
  if (filters.redirect !== null && backends.length > 0) {
    reader.fail('backendRefs', 'absent, when a RequestRedirect filter answers');
  }
}

function filterFault<M>(
  reader: FieldReader,
  filters: RuleFilters<BackendRef>,
  backends: readonly WeightedBackend<BackendRef>[],
  matches: readonly M[],
  shape: RuleShape<M>,
): RuleFault | null {
  for (const set of [filters, ...backends.map((backend) => backend.filters)]) {
    if (set.redirect !== null && set.rewrite !== null) {
      const message = `${reader.path}: RequestRedirect and URLRewrite exclude each other`;
      return { reason: 'IncompatibleFilters', message };
    }
    const replacesPrefix = [set.redirect?.path, set.rewrite?.path].some((path) => path?.kind === 'prefix');
    if (replacesPrefix && !(matches.length === 1 && matches.every(shape.isPrefixMatch))) {
      const message = `${reader.path}: ReplacePrefixMatch needs exactly one match, of type PathPrefix`;
      return { reason: 'UnsupportedValue', message };
    }
  }
  return null;
}

function parseTimeouts(rule: FieldReader): RuleTimeouts {
  const reader = rule.object('timeouts');
  if (reader === null) return NO_TIMEOUTS;
  reader.allowOnly(['request', 'backendRequest']);
  const requestMs = parseDuration(reader, 'request');
  const backendRequestMs = parseDuration(reader, 'backendRequest');
  if (requestMs !== null && requestMs > 0 && backendRequestMs !== null && backendRequestMs > requestMs) {
    reader.fail('backendRequest', 'at most as long as request');
  }
  return { requestMs, backendRequestMs };
}

/** Null when absent. @throws KindError. */
function parseDuration(reader: FieldReader, name: string): number | null {
  if (!reader.has(name)) return null;
  return parseDurationMs(reader.text(name)) ?? reader.fail(name, 'a duration such as 1m30s or 500ms');
}

function parseRetry(rule: FieldReader): RetryPolicy | null {
  const reader = rule.object('retry');
  if (reader === null) return null;
  reader.allowOnly(['codes', 'attempts', 'backoff']);
  const code = (item: unknown, field: string): number => {
    if (typeof item === 'number' && Number.isInteger(item) && item >= 400 && item <= 599) return item;
    throw new KindError('invalid-value', { field, value: JSON.stringify(item), expected: 'a status from 400 to 599' });
  };
  const attempts = reader.has('attempts') ? reader.integer('attempts', 1, Number.MAX_SAFE_INTEGER) : null;
  if (attempts !== null && attempts > ROUTE_LIMITS.retryAttempts) {
    reader.unsupported('attempts', `at most ${ROUTE_LIMITS.retryAttempts} are possible`);
  }
  return {
    codes: [...new Set(reader.list('codes', code))].sort((a, b) => a - b),
    attempts,
    backoffMs: parseDuration(reader, 'backoff'),
  };
}

function parseSession(rule: FieldReader): SessionPolicy | null {
  const reader = rule.object('sessionPersistence');
  if (reader === null) return null;
  reader.allowOnly(['sessionName', 'absoluteTimeout', 'type', 'cookieConfig']);
  const type = parseEnum(reader, 'type', ['Cookie', 'Header'] as const, 'Cookie');
  const name = reader.text('sessionName', '');
  if (name.length > ROUTE_LIMITS.sessionNameLength) {
    reader.fail('sessionName', `at most ${ROUTE_LIMITS.sessionNameLength} characters`);
  }
  if (name !== '' && !isHeaderName(name)) {
    reader.unsupported(
      'sessionName',
      'it becomes the name of a cookie or header, which has letters, digits and a few signs',
    );
  }
  const absoluteTimeoutMs = parseDuration(reader, 'absoluteTimeout');
  const cookie = reader.object('cookieConfig');
  if (cookie !== null && type !== 'Cookie') reader.fail('cookieConfig', 'absent, for type Header');
  cookie?.allowOnly(['lifetimeType']);
  const permanent =
    cookie !== null && parseEnum(cookie, 'lifetimeType', ['Permanent', 'Session'] as const, 'Session') === 'Permanent';
  if (permanent && absoluteTimeoutMs === null) reader.fail('absoluteTimeout', 'a duration, for a permanent cookie');
  return {
    kind: type === 'Cookie' ? 'cookie' : 'header',
    name: name === '' ? null : name,
    absoluteTimeoutMs,
    permanent,
  };
}
