import { normalisePath, type NormalPath } from '../model/normal-path.ts';
import { parseRegex } from '../routes/regex.ts';
import type { GrpcMatch, HttpMatch, NamedMatch, PathMatch, TextMatch } from '../routes/rule.ts';
import type { FieldReader } from './field-reader.ts';
import {
  GRPC_METHOD,
  GRPC_SERVICE,
  HEADER_NAME,
  HEADER_VALUE,
  HTTP_METHODS,
  ROUTE_LIMITS,
  ROUTE_PATH,
} from './route-limits.ts';

const MATCH_TYPES = ['Exact', 'RegularExpression'] as const;
const PATH_TYPES = ['Exact', 'PathPrefix', 'RegularExpression'] as const;

/** One of `values`; another one is not an error of its author but something that this version does not know. */
export function parseEnum<const T extends string>(
  reader: FieldReader,
  name: string,
  values: readonly T[],
  fallback?: T,
): T {
  const value = reader.text(name, fallback);
  return (
    values.find((candidate) => candidate === value) ??
    reader.unsupported(name, `this version knows ${values.join(', ')}`)
  );
}

/** What every path has. */
const ANY_PATH: PathMatch = { kind: 'prefix', path: pathOf('/') };
export const MATCH_EVERYTHING: HttpMatch = { path: ANY_PATH, headers: [], queryParams: [], method: null };

/** @throws KindError; `unsupported-value` for what is well-formed and not known or not possible here. */
export function parseHttpMatch(reader: FieldReader): HttpMatch {
  reader.allowOnly(['path', 'headers', 'queryParams', 'method']);
  const path = reader.object('path');
  return {
    path: path === null ? ANY_PATH : parsePathMatch(path),
    headers: parseHeaders(reader),
    queryParams: firstOfEach(
      reader.objects(
        'queryParams',
        (param) => parseNamedMatch(param, ROUTE_LIMITS.queryValueLength, false),
        ROUTE_LIMITS.namedMatches,
      ),
    ),
    method: reader.has('method') ? parseEnum(reader, 'method', HTTP_METHODS) : null,
  };
}

/** @throws KindError, as for HTTP. */
export function parseGrpcMatch(reader: FieldReader): GrpcMatch {
  reader.allowOnly(['method', 'headers']);
  const method = reader.object('method');
  const both = method === null ? { service: null, method: null } : parseGrpcMethod(method);
  return { ...both, headers: parseHeaders(reader) };
}

function parsePathMatch(reader: FieldReader): PathMatch {
  reader.allowOnly(['type', 'value']);
  const type = parseEnum(reader, 'type', PATH_TYPES, 'PathPrefix');
  const value = reader.text('value', '/');
  if (value.length > ROUTE_LIMITS.pathLength) reader.fail('value', `at most ${ROUTE_LIMITS.pathLength} characters`);
  if (type === 'RegularExpression') return { kind: 'regex', source: checkedRegex(reader, 'value') };
  if (!ROUTE_PATH.test(value) || !isPlainPath(value)) {
    reader.fail(
      'value',
      'a path that begins with "/", without "//", "/./", "/../", "%2F" and characters that no path has',
    );
  }
  const normal = normalisePath(value);
  if (normal.kind === 'refused') return reader.fail('value', 'a path that servers can read in one way only');
  if (type === 'Exact') return { kind: 'exact', path: normal.path };
  return {
    kind: 'prefix',
    path: normal.path.length > 1 && normal.path.endsWith('/') ? pathOf(normal.path.slice(0, -1)) : normal.path,
  };
}

function isPlainPath(value: string): boolean {
  return value.startsWith('/') && !value.includes('//') && !/\/\.{1,2}(?:\/|$)/.test(value) && !/%2f/i.test(value);
}

function pathOf(text: string): NormalPath {
  const normal = normalisePath(text);
  if (normal.kind === 'refused') throw new RangeError('a part of a normal path is normal');
  return normal.path;
}

/** A regular expression that can be used, as written. */
function checkedRegex(reader: FieldReader, name: string): string {
  const source = reader.text(name);
  const parsed = parseRegex(source);
  return parsed.kind === 'regex' ? source : reader.unsupported(name, `an RE2 expression is expected: ${parsed.fault}`);
}

function parseHeaders(reader: FieldReader): readonly NamedMatch[] {
  return firstOfEach(
    reader.objects(
      'headers',
      (header) => parseNamedMatch(header, ROUTE_LIMITS.headerValueLength, true),
      ROUTE_LIMITS.namedMatches,
    ),
  );
}

function parseNamedMatch(reader: FieldReader, valueLengthMax: number, isHeader: boolean): NamedMatch {
  reader.allowOnly(['type', 'name', 'value']);
  const name = parseHeaderName(reader);
  const type = parseEnum(reader, 'type', MATCH_TYPES, 'Exact');
  const value = reader.text('value');
  if (value === '' || value.length > valueLengthMax) reader.fail('value', `1 to ${valueLengthMax} characters`);
  return { name: isHeader ? name.toLowerCase() : name, value: parseTextMatch(reader, 'value', type) };
}

function parseTextMatch(reader: FieldReader, name: string, type: (typeof MATCH_TYPES)[number]): TextMatch {
  return type === 'Exact'
    ? { kind: 'exact', value: reader.text(name) }
    : { kind: 'regex', source: checkedRegex(reader, name) };
}

/** Of several entries with one name the first counts, says Gateway API. */
function firstOfEach(matches: readonly NamedMatch[]): readonly NamedMatch[] {
  return matches.filter((match, index) => matches.findIndex(({ name }) => name === match.name) === index);
}

/** Field `name`, as written. @throws KindError. */
export function parseHeaderName(reader: FieldReader): string {
  const name = reader.text('name');
  return isHeaderName(name) ? name : reader.fail('name', EXPECTED_HEADER_NAME);
}

export const EXPECTED_HEADER_NAME: string = `at most ${ROUTE_LIMITS.headerNameLength} of the characters that a header's name may have`;

export function isHeaderName(text: string): boolean {
  return HEADER_NAME.test(text) && text.length <= ROUTE_LIMITS.headerNameLength;
}

export function isHeaderValue(text: string): boolean {
  return HEADER_VALUE.test(text) && text.length <= ROUTE_LIMITS.headerValueLength;
}

function parseGrpcMethod(reader: FieldReader): Pick<GrpcMatch, 'service' | 'method'> {
  reader.allowOnly(['type', 'service', 'method']);
  const type = parseEnum(reader, 'type', MATCH_TYPES, 'Exact');
  const part = (name: 'service' | 'method', pattern: RegExp): TextMatch | null => {
    const text = reader.text(name, '');
    if (text === '') return null;
    if (text.length > ROUTE_LIMITS.methodLength) reader.fail(name, `at most ${ROUTE_LIMITS.methodLength} characters`);
    if (type === 'Exact' && !pattern.test(text)) reader.fail(name, `the name of a gRPC ${name}`);
    return parseTextMatch(reader, name, type);
  };
  const service = part('service', GRPC_SERVICE);
  const method = part('method', GRPC_METHOD);
  if (service === null && method === null) reader.fail('service', 'a text, unless method is one');
  return { service, method };
}
