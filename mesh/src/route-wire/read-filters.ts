import {
  CORS_ORIGIN,
  FRAMING_HEADERS,
  HEADER_VALUE,
  HOSTNAME_LENGTH_MAX,
  HTTP_METHODS,
  INT32_MAX,
  PRECISE_HOSTNAME,
  REDIRECT_STATUSES,
  REPLACEMENT_PATH,
  ROUTE_LIMITS,
} from '../kinds/route-limits.ts';
import type { RouteBackend } from '../routes/backend.ts';
import {
  type CorsFilter,
  type HeaderModifier,
  type HeaderValue,
  type MirrorFilter,
  NO_FILTERS,
  type PathModifier,
  type RedirectFilter,
  type RewriteFilter,
  type RuleFilters,
} from '../routes/rule.ts';
import { invalidField, readList } from '../wire/field-reader.ts';
import type * as pb from '../wire/gen/ambit/waypoint/v1/routes_pb.ts';
import { readBackend } from './read-backend.ts';
import {
  readInteger,
  readLowerHeaderName,
  readMatching,
  readOneOf,
  readOptional,
  readPort,
  refuseRepeated,
} from './read-field.ts';

/** @throws WireError. */
export function readFilters(message: pb.Filters | undefined, path: string): RuleFilters<RouteBackend> {
  if (message === undefined) return NO_FILTERS;
  if (message.redirect !== undefined && message.rewrite !== undefined) {
    invalidField(path, 'redirect and rewrite exclude each other');
  }
  return {
    requestHeaders: readOptional(`${path}.request_headers`, message.requestHeaders, readModifier),
    responseHeaders: readOptional(`${path}.response_headers`, message.responseHeaders, readModifier),
    redirect: readOptional(`${path}.redirect`, message.redirect, readRedirect),
    rewrite: readOptional(`${path}.rewrite`, message.rewrite, readRewrite),
    mirrors: readList(`${path}.mirrors`, ROUTE_LIMITS.filters, message.mirrors, readMirror),
    cors: readOptional(`${path}.cors`, message.cors, readCors),
  };
}

function readModifier(message: pb.HeaderModifier, path: string): HeaderModifier {
  const list = (name: string, headers: readonly pb.Header[]): HeaderValue[] =>
    readList(`${path}.${name}`, ROUTE_LIMITS.headerEdits, headers, (header, at) => ({
      name: readEditedName(header.name, `${at}.name`),
      value: readMatching(`${at}.value`, header.value, HEADER_VALUE, ROUTE_LIMITS.headerValueLength, 'one line'),
    }));
  const set = list('set', message.set);
  const add = list('add', message.add);
  const remove = readList(`${path}.remove`, ROUTE_LIMITS.headerEdits, message.remove, readEditedName);
  refuseRepeated(path, [...[...set, ...add].map(({ name }) => name), ...remove]);
  return { set, add, remove };
}

function readEditedName(name: string, path: string): string {
  if (FRAMING_HEADERS.includes(name)) return invalidField(path, `${name} belongs to the connection`);
  return readLowerHeaderName(name, path);
}

function readRedirect(message: pb.Redirect, path: string): RedirectFilter {
  const { statusCode } = message;
  if (!REDIRECT_STATUSES.includes(statusCode)) invalidField(`${path}.status_code`, 'not a status of a redirection');
  return {
    scheme: readOptional(`${path}.scheme`, message.scheme, (scheme, at) =>
      readOneOf(at, scheme, ['http', 'https'] as const),
    ),
    hostname: readOptional(`${path}.hostname`, message.hostname, readHostname),
    path: readOptional(`${path}.path`, message.path, readPathModifier),
    port: readOptional(`${path}.port`, message.port, readPort),
    statusCode,
  };
}

function readRewrite(message: pb.Rewrite, path: string): RewriteFilter {
  return {
    hostname: readOptional(`${path}.hostname`, message.hostname, readHostname),
    path: readOptional(`${path}.path`, message.path, readPathModifier),
  };
}

function readHostname(text: string, path: string): string {
  return readMatching(path, text, PRECISE_HOSTNAME, HOSTNAME_LENGTH_MAX, 'a host name');
}

function readPathModifier({ kind }: pb.PathModifier, path: string): PathModifier {
  switch (kind.case) {
    case 'full':
      return { kind: 'full', path: readReplacement(`${path}.full`, kind.value) };
    case 'prefix':
      if (kind.value.endsWith('/')) invalidField(`${path}.prefix`, 'ends with a slash');
      return { kind: 'prefix', prefix: kind.value === '' ? '' : readReplacement(`${path}.prefix`, kind.value) };
    case undefined:
      return invalidField(path, 'absent, or of a kind that Ambit does not know');
  }
}

function readReplacement(path: string, text: string): string {
  if (!text.startsWith('/')) invalidField(path, 'does not begin with a slash');
  return readMatching(path, text, REPLACEMENT_PATH, ROUTE_LIMITS.pathLength, 'a path');
}

function readMirror(message: pb.Mirror, path: string): MirrorFilter<RouteBackend> {
  const denominator = readInteger(`${path}.denominator`, message.denominator, 1, INT32_MAX);
  return {
    backend: readBackend(message.backend, `${path}.backend`),
    numerator: readInteger(`${path}.numerator`, message.numerator, 0, denominator),
    denominator,
  };
}

function readCors(message: pb.Cors, path: string): CorsFilter {
  const list = (
    name: string,
    from: pb.CorsList | undefined,
    max: number,
    read: (value: string, path: string) => string,
  ): readonly string[] | null =>
    readOptional(`${path}.${name}`, from, ({ values }, at) => readList(at, max, values, read));
  const { corsNames, corsMethods } = ROUTE_LIMITS;
  return {
    allowOrigins: list('allow_origins', message.allowOrigins, corsNames, (origin, at) =>
      readMatching(at, origin, CORS_ORIGIN, HOSTNAME_LENGTH_MAX, 'an origin'),
    ),
    allowCredentials: message.allowCredentials,
    allowMethods: list('allow_methods', message.allowMethods, corsMethods, (method, at) =>
      readOneOf(at, method, HTTP_METHODS),
    ),
    allowHeaders: list('allow_headers', message.allowHeaders, corsNames, readLowerHeaderName),
    exposeHeaders: list('expose_headers', message.exposeHeaders, corsNames, readLowerHeaderName),
    maxAgeSeconds: readInteger(`${path}.max_age_seconds`, message.maxAgeSeconds, 1, INT32_MAX),
  };
}
