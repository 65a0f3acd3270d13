import { normalisePath, type NormalPath } from '../model/normal-path.ts';
import type { RouteRequest } from '../routes/route-request.ts';
import { type HttpMatch, NO_FILTERS, NO_TIMEOUTS, type RouteRule } from '../routes/rule.ts';

/** A normal path. @throws Error for one that is refused. */
export function normalPath(text: string): NormalPath {
  const result = normalisePath(text);
  if (result.kind === 'refused') throw new Error(`${text}: ${result.fault}`);
  return result.path;
}

/** A rule that sends what matches to one backend, unless `fields` say otherwise. */
export function aRule<M = HttpMatch, B = string>(fields: Partial<RouteRule<M, B>> = {}): RouteRule<M, B> {
  return {
    name: null,
    matches: [],
    filters: NO_FILTERS,
    backends: [],
    timeouts: NO_TIMEOUTS,
    retry: null,
    session: null,
    fault: null,
    ...fields,
  };
}

export function aMatch(fields: Partial<HttpMatch> = {}): HttpMatch {
  return { path: { kind: 'prefix', path: normalPath('/') }, headers: [], queryParams: [], method: null, ...fields };
}

/** `GET http://web/`, unless `fields` say otherwise; `url` is path and query. */
export function aRequest(
  url = '/',
  fields: {
    readonly method?: string;
    readonly host?: string;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): RouteRequest {
  const [path = '', query = ''] = url.split('?');
  const { method = 'GET', host = 'web', headers = {} } = fields;
  return {
    method,
    host,
    path: normalPath(path),
    query,
    header: (name) => headers[name] ?? null,
    headerIs: (name, text) => headers[name] === text,
  };
}
