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
import type { FieldReader } from './field-reader.ts';
import {
  CORS_ORIGIN,
  FRAMING_HEADERS,
  HOSTNAME_LENGTH_MAX,
  HTTP_METHODS,
  INT32_MAX,
  REDIRECT_STATUSES,
  REPLACEMENT_PATH,
  ROUTE_LIMITS,
} from './route-limits.ts';
import {
  EXPECTED_HEADER_NAME,
  isHeaderName,
  isHeaderValue,
  parseEnum,
  parseHeaderName,
} from './parse-route-matches.ts';
import { parseBackendRef, parsePreciseHostname } from './parse-route-refs.ts';
import type { BackendRef } from './route-objects.ts';

/** A filter's type and the field that has its settings. */
const FILTER_FIELDS = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  RequestMirror: 'requestMirror',
  CORS: 'cors',
  ExternalAuth: 'externalAuth',
  ExtensionRef: 'extensionRef',
} as const;

export type FilterType = keyof typeof FILTER_FIELDS;

export const HTTP_FILTERS: readonly FilterType[] = [
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestRedirect',
  'URLRewrite',
  'RequestMirror',
  'CORS',
];
export const GRPC_FILTERS: readonly FilterType[] = ['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestMirror'];

const REDIRECT_STATUS_DEFAULT = 302;
const CORS_MAX_AGE_DEFAULT_SECONDS = 5;
const PERCENT = 100;

/** `filters` of a rule or of a backend. @throws KindError; `unsupported-value` for types not in `supported`. */
export function parseFilters(
  reader: FieldReader,
  supported: readonly FilterType[],
  namespace: string,
): RuleFilters<BackendRef> {
  const seen = new Set<FilterType>();
  let filters: RuleFilters<BackendRef> = NO_FILTERS;
  reader.objects(
    'filters',
    (filter) => {
      const type = parseFilterType(filter, supported);
      if (seen.has(type) && type !== 'RequestMirror') filter.unsupported('type', 'only RequestMirror may be repeated');
      seen.add(type);
      filters = { ...filters, ...parseFilter(filter, type, filters, namespace) };
    },
    ROUTE_LIMITS.filters,
  );
  return filters;
}

function parseFilterType(filter: FieldReader, supported: readonly FilterType[]): FilterType {
  filter.allowOnly(['type', ...Object.values(FILTER_FIELDS)]);
  const type = filter.text('type');
  if (type === 'ExtensionRef')
    filter.unsupported('type', `no filter is known by reference; use ${supported.join(', ')}`);
  const known = supported.find((candidate) => candidate === type);
  if (known === undefined) return filter.unsupported('type', `this version knows ${supported.join(', ')}`);
  const field = FILTER_FIELDS[known];
  for (const other of filter.names()) {
    if (other !== 'type' && other !== field) filter.fail(other, `absent, for type ${known}`);
  }
  if (!filter.has(field)) filter.fail(field, `the settings of type ${known}`);
  return known;
}

function parseFilter(
  filter: FieldReader,
  type: FilterType,
  before: RuleFilters<BackendRef>,
  namespace: string,
): Partial<RuleFilters<BackendRef>> {
  const settings = filter.object(FILTER_FIELDS[type]);
  if (settings === null) return {};
  switch (type) {
    case 'RequestHeaderModifier':
      return { requestHeaders: parseHeaderModifier(settings) };
    case 'ResponseHeaderModifier':
      return { responseHeaders: parseHeaderModifier(settings) };
    case 'RequestRedirect':
      return { redirect: parseRedirect(settings) };
    case 'URLRewrite':
      return { rewrite: parseRewrite(settings) };
    case 'RequestMirror':
      return { mirrors: [...before.mirrors, parseMirror(settings, namespace)] };
    case 'CORS':
      return { cors: parseCors(settings) };
    case 'ExternalAuth':
    case 'ExtensionRef':
      return {};
  }
}

function parseHeaderModifier(reader: FieldReader): HeaderModifier {
  reader.allowOnly(['set', 'add', 'remove']);
  const set = parseHeaderValues(reader, 'set');
  const add = parseHeaderValues(reader, 'add');
  const remove = parseNames(reader, 'remove', ROUTE_LIMITS.headerEdits);
  const names = [...set, ...add].map(({ name }) => name).concat(remove);
  for (const name of names) {
    if (FRAMING_HEADERS.includes(name)) {
      reader.unsupported(
        listWith(name, set, add),
        name === 'host' ? 'a host is changed by URLRewrite' : `${name} belongs to the connection`,
      );
    }
    if (names.filter((other) => other === name).length > 1) {
      reader.unsupported(listWith(name, set, add), `${name} may be named once in set, add and remove together`);
    }
  }
  return { set, add, remove };
}

function listWith(name: string, set: readonly HeaderValue[], add: readonly HeaderValue[]): 'set' | 'add' | 'remove' {
  if (set.some((header) => header.name === name)) return 'set';
  return add.some((header) => header.name === name) ? 'add' : 'remove';
}

/** Of several with one name the first counts, says Gateway API. */
function parseHeaderValues(reader: FieldReader, list: 'set' | 'add'): readonly HeaderValue[] {
  const headers = reader.objects(
    list,
    (header) => {
      header.allowOnly(['name', 'value']);
      const name = parseHeaderName(header).toLowerCase();
      const value = header.text('value');
      if (!isHeaderValue(value)) {
        header.fail('value', `1 to ${ROUTE_LIMITS.headerValueLength} visible characters, spaces inside`);
      }
      return { name, value };
    },
    ROUTE_LIMITS.headerEdits,
  );
  return headers.filter((header, index) => headers.findIndex(({ name }) => name === header.name) === index);
}

/** Names of headers in lower case, each once. */
function parseNames(reader: FieldReader, field: string, max: number): readonly string[] {
  const parse = (text: string): string => {
    if (!isHeaderName(text)) throw new RangeError('no header name');
    return text.toLowerCase();
  };
  return [...new Set(reader.parsedTexts(field, EXPECTED_HEADER_NAME, parse, max))];
}

function parsePathModifier(reader: FieldReader): PathModifier {
  reader.allowOnly(['type', 'replaceFullPath', 'replacePrefixMatch']);
  const type = parseEnum(reader, 'type', ['ReplaceFullPath', 'ReplacePrefixMatch'] as const);
  const [field, other] =
    type === 'ReplaceFullPath'
      ? (['replaceFullPath', 'replacePrefixMatch'] as const)
      : (['replacePrefixMatch', 'replaceFullPath'] as const);
  if (reader.has(other)) reader.fail(other, `absent, for type ${type}`);
  const value = reader.text(field);
  if (value.length > ROUTE_LIMITS.pathLength) reader.fail(field, `at most ${ROUTE_LIMITS.pathLength} characters`);
  if (!REPLACEMENT_PATH.test(value) || (value !== '' && !value.startsWith('/'))) {
    reader.unsupported(field, 'a path begins with "/" and has neither query nor fragment');
  }
  if (type === 'ReplaceFullPath') return { kind: 'full', path: value === '' ? '/' : value };
  return { kind: 'prefix', prefix: value.replace(/\/+$/, '') };
}

function parseRedirect(reader: FieldReader): RedirectFilter {
  reader.allowOnly(['scheme', 'hostname', 'path', 'port', 'statusCode']);
  const path = reader.object('path');
  const statusCode = reader.integer('statusCode', 0, INT32_MAX, REDIRECT_STATUS_DEFAULT);
  if (!REDIRECT_STATUSES.includes(statusCode)) {
    reader.unsupported('statusCode', `this version knows ${REDIRECT_STATUSES.join(', ')}`);
  }
  return {
    scheme: reader.has('scheme') ? parseEnum(reader, 'scheme', ['http', 'https'] as const) : null,
    hostname: parsePreciseHostname(reader, 'hostname'),
    path: path === null ? null : parsePathModifier(path),
    port: reader.has('port') ? reader.integer('port', 1, 65_535) : null,
    statusCode,
  };
}

function parseRewrite(reader: FieldReader): RewriteFilter {
  reader.allowOnly(['hostname', 'path']);
  const path = reader.object('path');
  return {
    hostname: parsePreciseHostname(reader, 'hostname'),
    path: path === null ? null : parsePathModifier(path),
  };
}

function parseMirror(reader: FieldReader, namespace: string): MirrorFilter<BackendRef> {
  reader.allowOnly(['backendRef', 'percent', 'fraction']);
  const ref = reader.object('backendRef') ?? reader.fail('backendRef', 'what gets the copies');
  const backend = parseBackendRef(ref, namespace);
  const fraction = reader.object('fraction');
  if (fraction === null) {
    return { backend, numerator: reader.integer('percent', 0, PERCENT, PERCENT), denominator: PERCENT };
  }
  if (reader.has('percent')) reader.fail('percent', 'absent beside fraction');
  fraction.allowOnly(['numerator', 'denominator']);
  const denominator = fraction.integer('denominator', 1, INT32_MAX, PERCENT);
  return { backend, numerator: fraction.integer('numerator', 0, denominator), denominator };
}

function parseCors(reader: FieldReader): CorsFilter {
  reader.allowOnly(['allowOrigins', 'allowCredentials', 'allowMethods', 'allowHeaders', 'exposeHeaders', 'maxAge']);
  const exposed = parseNames(reader, 'exposeHeaders', ROUTE_LIMITS.corsNames);
  return {
    allowOrigins: allOrSome(reader, 'allowOrigins', parseOrigins(reader)),
    allowCredentials: reader.bool('allowCredentials', false),
    allowMethods: allOrSome(reader, 'allowMethods', parseMethods(reader)),
    allowHeaders: allOrSome(reader, 'allowHeaders', parseNames(reader, 'allowHeaders', ROUTE_LIMITS.corsNames)),
    exposeHeaders: exposed.includes('*') ? null : exposed,
    maxAgeSeconds: reader.integer('maxAge', 1, INT32_MAX, CORS_MAX_AGE_DEFAULT_SECONDS),
  };
}

function parseOrigins(reader: FieldReader): readonly string[] {
  const parse = (text: string): string => {
    if (text !== '*' && (!CORS_ORIGIN.test(text) || text.length > HOSTNAME_LENGTH_MAX))
      throw new RangeError('no origin');
    return text;
  };
  const expected = '"*", or http:// or https:// with a host, which may be or begin with "*", and at most a port';
  return reader.parsedTexts('allowOrigins', expected, parse, ROUTE_LIMITS.corsNames);
}

function parseMethods(reader: FieldReader): readonly string[] {
  const known: readonly string[] = ['*', ...HTTP_METHODS];
  const parse = (text: string): string => {
    if (!known.includes(text)) throw new RangeError('no method');
    return text;
  };
  return reader.parsedTexts('allowMethods', `one of ${known.join(', ')}`, parse, ROUTE_LIMITS.corsMethods);
}

function allOrSome(reader: FieldReader, name: string, values: readonly string[]): readonly string[] | null {
  if (!values.includes('*')) return values;
  return values.length === 1 ? null : reader.fail(name, 'only "*", when "*" is in it');
}
