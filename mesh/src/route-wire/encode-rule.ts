import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';
import type { RouteBackend } from '../routes/backend.ts';
import {
  type CorsFilter,
  type GrpcMatch,
  type HeaderModifier,
  type HttpMatch,
  type NamedMatch,
  type PathModifier,
  type RouteRule,
  type RuleFilters,
  type SessionPolicy,
  type TextMatch,
  type WeightedBackend,
} from '../routes/rule.ts';
import type * as pb from '../wire/gen/ambit/waypoint/v1/routes_pb.ts';
import { ROUTE_WIRE_LIMITS } from './limits.ts';
import { BACKEND_FAULT, FAULT_REASON, SESSION_KIND } from './route-words.ts';

type Init<Desc extends DescMessage> = MessageInitShape<Desc>;
type Said<T> = { [K in keyof T]?: Exclude<T[K], null> };

/** The fields that are not null: what is not said is absent. */
function said<T extends object>(fields: T): Said<T>;
function said(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

function unlessNull<In, Out>(value: In | null, encode: (value: In) => Out): Out | null {
  return value === null ? null : encode(value);
}

function milliseconds(value: number | null): bigint | null {
  return unlessNull(value, BigInt);
}

export function encodeHttpRule(rule: RouteRule<HttpMatch, RouteBackend>): Init<typeof pb.HttpRuleSchema> {
  return { matches: rule.matches.map(encodeHttpMatch), action: encodeAction(rule) };
}

export function encodeGrpcRule(rule: RouteRule<GrpcMatch, RouteBackend>): Init<typeof pb.GrpcRuleSchema> {
  return {
    matches: rule.matches.map(({ service, method, headers }) => ({
      ...said({ service: unlessNull(service, encodeText), method: unlessNull(method, encodeText) }),
      headers: headers.map(encodeNamed),
    })),
    action: encodeAction(rule),
  };
}

function encodeHttpMatch({ path, headers, queryParams, method }: HttpMatch): Init<typeof pb.HttpMatchSchema> {
  return {
    path: encodePath(path),
    headers: headers.map(encodeNamed),
    queryParams: queryParams.map(encodeNamed),
    ...said({ method }),
  };
}

function encodePath(path: HttpMatch['path']): NonNullable<Init<typeof pb.HttpMatchSchema>['path']> {
  switch (path.kind) {
    case 'exact':
      return { case: 'exactPath', value: path.path };
    case 'prefix':
      return { case: 'pathPrefix', value: path.path };
    case 'regex':
      return { case: 'pathRegex', value: path.source };
  }
}

function encodeNamed({ name, value }: NamedMatch): Init<typeof pb.NamedMatchSchema> {
  return { name, value: encodeText(value) };
}

function encodeText(match: TextMatch): Init<typeof pb.TextMatchSchema> {
  return match.kind === 'exact'
    ? { kind: { case: 'exact', value: match.value } }
    : { kind: { case: 'regex', value: match.source } };
}

function encodeAction(rule: RouteRule<unknown, RouteBackend>): Init<typeof pb.RuleActionSchema> {
  const { name, backends, timeouts, retry, session, fault } = rule;
  return said({
    name,
    filters: encodeFilters(rule.filters),
    backends: backends.map(encodeWeighted),
    requestTimeoutMs: milliseconds(timeouts.requestMs),
    backendRequestTimeoutMs: milliseconds(timeouts.backendRequestMs),
    retry: unlessNull(retry, ({ codes, attempts, backoffMs }) => ({
      codes: [...codes],
      ...said({ attempts, backoffMs: milliseconds(backoffMs) }),
    })),
    session: unlessNull(session, encodeSession),
    fault: unlessNull(fault, ({ reason, message }) => ({
      reason: FAULT_REASON.numbers[reason],
      message: message.slice(0, ROUTE_WIRE_LIMITS.faultLength),
    })),
  });
}

function encodeSession({ kind, name, absoluteTimeoutMs, permanent }: SessionPolicy): Init<typeof pb.SessionSchema> {
  return {
    kind: SESSION_KIND.numbers[kind],
    permanent,
    ...said({ name, absoluteTimeoutMs: milliseconds(absoluteTimeoutMs) }),
  };
}

export function encodeWeighted(entry: WeightedBackend<RouteBackend>): Init<typeof pb.WeightedBackendSchema> {
  const { backend, weight, filters } = entry;
  return { backend: encodeBackend(backend), weight, ...said({ filters: encodeFilters(filters) }) };
}

function encodeBackend(backend: RouteBackend): Init<typeof pb.RouteBackendSchema> {
  return backend.kind === 'service'
    ? {
        kind: {
          case: 'service',
          value: { service: backend.service, port: backend.port, ...said({ version: backend.version }) },
        },
      }
    : { kind: { case: 'invalid', value: BACKEND_FAULT.numbers[backend.reason] } };
}

/** Null when there are none, which is how most backends are. */
function encodeFilters(filters: RuleFilters<RouteBackend>): Init<typeof pb.FiltersSchema> | null {
  const { requestHeaders, responseHeaders, redirect, rewrite, mirrors, cors } = filters;
  const single = said({
    requestHeaders: unlessNull(requestHeaders, encodeModifier),
    responseHeaders: unlessNull(responseHeaders, encodeModifier),
    redirect: unlessNull(redirect, ({ scheme, hostname, path, port, statusCode }) => ({
      statusCode,
      ...said({ scheme, hostname, port, path: unlessNull(path, encodePathModifier) }),
    })),
    rewrite: unlessNull(rewrite, ({ hostname, path }) =>
      said({ hostname, path: unlessNull(path, encodePathModifier) }),
    ),
    cors: unlessNull(cors, encodeCors),
  });
  if (mirrors.length === 0 && Object.keys(single).length === 0) return null;
  return {
    ...single,
    mirrors: mirrors.map(({ backend, numerator, denominator }) => ({
      backend: encodeBackend(backend),
      numerator,
      denominator,
    })),
  };
}

function encodeModifier({ set, add, remove }: HeaderModifier): Init<typeof pb.HeaderModifierSchema> {
  return { set: set.map((header) => ({ ...header })), add: add.map((header) => ({ ...header })), remove: [...remove] };
}

function encodePathModifier(modifier: PathModifier): Init<typeof pb.PathModifierSchema> {
  return modifier.kind === 'full'
    ? { kind: { case: 'full', value: modifier.path } }
    : { kind: { case: 'prefix', value: modifier.prefix } };
}

function encodeCors(cors: CorsFilter): Init<typeof pb.CorsSchema> {
  const list = (values: readonly string[] | null): Init<typeof pb.CorsListSchema> | null =>
    unlessNull(values, (some) => ({ values: [...some] }));
  return {
    allowCredentials: cors.allowCredentials,
    maxAgeSeconds: cors.maxAgeSeconds,
    ...said({
      allowOrigins: list(cors.allowOrigins),
      allowMethods: list(cors.allowMethods),
      allowHeaders: list(cors.allowHeaders),
      exposeHeaders: list(cors.exposeHeaders),
    }),
  };
}
