import { GRPC_METHOD, GRPC_SERVICE, HEADER_NAME, HTTP_METHODS, ROUTE_LIMITS } from '../kinds/route-limits.ts';
import { normalisePath, type NormalPath } from '../model/normal-path.ts';
import type { GrpcMatch, HttpMatch, NamedMatch, PathMatch, TextMatch } from '../routes/rule.ts';
import { invalidField, readList } from '../wire/field-reader.ts';
import type * as pb from '../wire/gen/ambit/waypoint/v1/routes_pb.ts';
import {
  readLowerHeaderName,
  readMatching,
  readOneOf,
  readOptional,
  readPresent,
  readRegex,
  refuseRepeated,
} from './read-field.ts';

/** @throws WireError. */
export function readHttpMatch(message: pb.HttpMatch, path: string): HttpMatch {
  return {
    path: readPath(message.path, path),
    headers: readHeaders(message.headers, `${path}.headers`),
    queryParams: readNamed(message.queryParams, `${path}.query_params`, ROUTE_LIMITS.queryValueLength, (name, at) =>
      readMatching(at, name, HEADER_NAME, ROUTE_LIMITS.headerNameLength, 'a name of a query parameter'),
    ),
    method: readOptional(`${path}.method`, message.method, (method, at) => readOneOf(at, method, HTTP_METHODS)),
  };
}

/** @throws WireError. */
export function readGrpcMatch({ service, method, headers }: pb.GrpcMatch, path: string): GrpcMatch {
  const part = (pattern: RegExp) => (text: pb.TextMatch, at: string) =>
    readText(text, at, ROUTE_LIMITS.methodLength, pattern);
  return {
    service: readOptional(`${path}.service`, service, part(GRPC_SERVICE)),
    method: readOptional(`${path}.method`, method, part(GRPC_METHOD)),
    headers: readHeaders(headers, `${path}.headers`),
  };
}

function readPath(message: pb.HttpMatch['path'], path: string): PathMatch {
  switch (message.case) {
    case 'exactPath':
      return { kind: 'exact', path: readNormalPath(`${path}.exact_path`, message.value) };
    case 'pathPrefix': {
      const prefix = readNormalPath(`${path}.path_prefix`, message.value);
      if (prefix.length > 1 && prefix.endsWith('/')) invalidField(`${path}.path_prefix`, 'ends with a slash');
      return { kind: 'prefix', path: prefix };
    }
    case 'pathRegex':
      return { kind: 'regex', source: readRegex(`${path}.path_regex`, message.value, ROUTE_LIMITS.pathLength) };
    case undefined:
      return invalidField(`${path}.path`, 'absent');
  }
}

/** Normal paths compare as texts; any other would match nothing. */
function readNormalPath(path: string, text: string): NormalPath {
  readMatching(path, text, /^\//, ROUTE_LIMITS.pathLength, 'a path');
  const normal = normalisePath(text);
  return normal.kind === 'path' && normal.path === text ? normal.path : invalidField(path, 'not in normal form');
}

function readHeaders(messages: readonly pb.NamedMatch[], path: string): NamedMatch[] {
  return readNamed(messages, path, ROUTE_LIMITS.headerValueLength, readLowerHeaderName);
}

function readNamed(
  messages: readonly pb.NamedMatch[],
  path: string,
  valueLengthMax: number,
  readName: (name: string, path: string) => string,
): NamedMatch[] {
  const matches = readList(path, ROUTE_LIMITS.namedMatches, messages, ({ name, value }, at) => ({
    name: readName(name, `${at}.name`),
    value: readText(readPresent(`${at}.value`, value), `${at}.value`, valueLengthMax, /./s),
  }));
  refuseRepeated(
    path,
    matches.map(({ name }) => name),
  );
  return matches;
}

function readText({ kind }: pb.TextMatch, path: string, max: number, exact: RegExp): TextMatch {
  switch (kind.case) {
    case 'exact':
      return { kind: 'exact', value: readMatching(`${path}.exact`, kind.value, exact, max, 'a value that can be') };
    case 'regex':
      return { kind: 'regex', source: readRegex(`${path}.regex`, kind.value, max) };
    case undefined:
      return invalidField(path, 'absent');
  }
}
