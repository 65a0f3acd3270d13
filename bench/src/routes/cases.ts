import { normalisePath, type NormalPath } from '@ambit/mesh/model';
import {
  type AttachedHttpRoute,
  type HttpMatch,
  NO_FILTERS,
  NO_TIMEOUTS,
  type PathMatch,
  type RouteRequest,
} from '@ambit/mesh/routes';
import { BenchError } from '../errors.ts';

/** Routes that differ in one thing, and requests for some of them. */
export interface RoutesCase {
  readonly name: string;
  routes(count: number): readonly AttachedHttpRoute<string>[];
  /** For routes spread over all of `count`. */
  requests(count: number): readonly RouteRequest[];
}

/** As a browser's; a header that is asked for is found among them. */
const HEADER_COUNT = 12;
const REQUESTS = 16;

export function routesCases(): readonly RoutesCase[] {
  return [
    {
      name: 'by path: /api/vN/items',
      routes: (count) => each(count, (index) => aRoute(index, { path: prefix(`/api/v${index}/items`) })),
      requests: (count) => spread(count, (index) => aRequest(`/api/v${index}/items/42`)),
    },
    {
      name: 'by hostname',
      routes: (count) => each(count, (index) => aRoute(index, { path: prefix('/api') }, [`h${index}.shop.example`])),
      requests: (count) => spread(count, (index) => aRequest('/api/items/42', { host: `h${index}.shop.example` })),
    },
    {
      name: 'by a header, all on one path',
      routes: (count) =>
        each(count, (index) =>
          aRoute(index, {
            path: prefix('/api'),
            headers: [{ name: 'x-tenant', value: { kind: 'exact', value: `t${index}` } }],
          }),
        ),
      requests: (count) =>
        spread(count, (index) => aRequest('/api/items/42', { headers: { 'x-tenant': `t${index}` } })),
    },
    {
      name: 'by a regular expression: /api/vN/[a-z]+',
      routes: (count) =>
        each(count, (index) => aRoute(index, { path: { kind: 'regex', source: `/api/v${index}/[a-z]+` } })),
      requests: (count) => spread(count, (index) => aRequest(`/api/v${index}/items`)),
    },
  ];
}

function each<T>(count: number, make: (index: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function spread(count: number, make: (index: number) => RouteRequest): readonly RouteRequest[] {
  return each(REQUESTS, (index) => make(Math.floor((index * count) / REQUESTS)));
}

function aRoute(
  index: number,
  match: Partial<HttpMatch>,
  hostnames: readonly string[] = [],
): AttachedHttpRoute<string> {
  const everything = { path: prefix('/'), headers: [], queryParams: [], method: null };
  const rule = {
    name: null,
    matches: [{ ...everything, ...match }],
    filters: NO_FILTERS,
    backends: [{ backend: `shop/b${index}`, weight: 1, filters: NO_FILTERS }],
    timeouts: NO_TIMEOUTS,
    retry: null,
    session: null,
    fault: null,
  };
  return { namespace: 'shop', name: `r${index}`, createdMs: index, hostnames, rules: [rule] };
}

function prefix(text: string): PathMatch {
  return { kind: 'prefix', path: normal(text) };
}

function aRequest(
  path: string,
  fields: { readonly host?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): RouteRequest {
  const others = each(HEADER_COUNT, (index) => [`x-other-${index}`, 'value'] as const);
  const headers = new Map([...others, ...Object.entries(fields.headers ?? {})]);
  return {
    method: 'GET',
    host: fields.host ?? 'web.shop.example',
    path: normal(path),
    query: '',
    header: (name) => headers.get(name) ?? null,
    headerIs: (name, text) => headers.get(name) === text,
  };
}

function normal(text: string): NormalPath {
  const result = normalisePath(text);
  if (result.kind === 'refused') throw new BenchError('unreadable-output', 'a path was refused', { data: { text } });
  return result.path;
}
