import { HEADER_NAME, ROUTE_LIMITS } from '../kinds/route-limits.ts';
import type { RouteBackend } from '../routes/backend.ts';
import type {
  GrpcMatch,
  HttpMatch,
  RetryPolicy,
  RouteRule,
  RuleFault,
  SessionPolicy,
  WeightedBackend,
} from '../routes/rule.ts';
import { invalidField, readEnum, readList, readName, readText } from '../wire/field-reader.ts';
import type * as pb from '../wire/gen/ambit/waypoint/v1/routes_pb.ts';
import { ROUTE_WIRE_LIMITS } from './limits.ts';
import { readBackend } from './read-backend.ts';
import { readInteger, readMatching, readMilliseconds, readOptional, readPresent } from './read-field.ts';
import { readFilters } from './read-filters.ts';
import { readGrpcMatch, readHttpMatch } from './read-match.ts';
import { FAULT_REASON, SESSION_KIND } from './route-words.ts';

/** @throws WireError. */
export function readHttpRule({ matches, action }: pb.HttpRule, path: string): RouteRule<HttpMatch, RouteBackend> {
  const { matchesOfRule } = ROUTE_LIMITS;
  return readAction(action, path, readList(`${path}.matches`, matchesOfRule, matches, readHttpMatch));
}

/** @throws WireError. */
export function readGrpcRule({ matches, action }: pb.GrpcRule, path: string): RouteRule<GrpcMatch, RouteBackend> {
  const { matchesOfRule } = ROUTE_LIMITS;
  return readAction(action, path, readList(`${path}.matches`, matchesOfRule, matches, readGrpcMatch));
}

function readAction<M>(
  message: pb.RuleAction | undefined,
  rulePath: string,
  matches: readonly M[],
): RouteRule<M, RouteBackend> {
  const path = `${rulePath}.action`;
  const action = readPresent(path, message);
  return {
    name: readOptional(`${path}.name`, action.name, (name, at) => readName(at, name)),
    matches,
    filters: readFilters(action.filters, `${path}.filters`),
    backends: readBackends(action.backends, `${path}.backends`),
    timeouts: {
      requestMs: readOptional(`${path}.request_timeout_ms`, action.requestTimeoutMs, readMilliseconds),
      backendRequestMs: readOptional(
        `${path}.backend_request_timeout_ms`,
        action.backendRequestTimeoutMs,
        readMilliseconds,
      ),
    },
    retry: readOptional(`${path}.retry`, action.retry, readRetry),
    session: readOptional(`${path}.session`, action.session, readSession),
    fault: readOptional(`${path}.fault`, action.fault, readFault),
  };
}

/** @throws WireError. */
export function readBackends(
  messages: readonly pb.WeightedBackend[],
  path: string,
): readonly WeightedBackend<RouteBackend>[] {
  return readList(path, ROUTE_LIMITS.backends, messages, ({ backend, weight, filters }, at) => ({
    backend: readBackend(backend, `${at}.backend`),
    weight: readInteger(`${at}.weight`, weight, 0, ROUTE_LIMITS.weight),
    filters: readFilters(filters, `${at}.filters`),
  }));
}

function readRetry({ codes, attempts, backoffMs }: pb.Retry, path: string): RetryPolicy {
  return {
    codes: readList(`${path}.codes`, ROUTE_WIRE_LIMITS.retryCodes, codes, (code, at) =>
      readInteger(at, code, 400, 599),
    ),
    attempts: readOptional(`${path}.attempts`, attempts, (count, at) =>
      readInteger(at, count, 1, ROUTE_LIMITS.retryAttempts),
    ),
    backoffMs: readOptional(`${path}.backoff_ms`, backoffMs, readMilliseconds),
  };
}

function readSession(message: pb.Session, path: string): SessionPolicy {
  const kind = readEnum(`${path}.kind`, message.kind, SESSION_KIND);
  const absoluteTimeoutMs = readOptional(`${path}.absolute_timeout_ms`, message.absoluteTimeoutMs, readMilliseconds);
  const { permanent } = message;
  if (permanent && (kind !== 'cookie' || absoluteTimeoutMs === null)) {
    invalidField(`${path}.permanent`, 'only a cookie with a timeout is permanent');
  }
  const name = readOptional(`${path}.name`, message.name, (text, at) =>
    readMatching(at, text, HEADER_NAME, ROUTE_LIMITS.sessionNameLength, 'a name of a cookie or header'),
  );
  return { kind, name, absoluteTimeoutMs, permanent };
}

function readFault({ reason, message }: pb.Fault, path: string): RuleFault {
  return {
    reason: readEnum(`${path}.reason`, reason, FAULT_REASON),
    message: readText(`${path}.message`, message, ROUTE_WIRE_LIMITS.faultLength),
  };
}
