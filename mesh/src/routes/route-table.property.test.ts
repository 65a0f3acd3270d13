import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { aMatch, aRequest, aRule, normalPath } from '../testing/route-builder.ts';
import type { RouteRequest } from './route-request.ts';
import { type AttachedHttpRoute, compileHttpRoutes } from './route-table.ts';
import type { HttpMatch, NamedMatch, PathMatch } from './rule.ts';

// The table against the words of the specification, applied one after the other to every match of every route.

interface Found {
  readonly route: string;
  readonly rule: number;
  /** Larger goes first; texts the other way round. */
  readonly rank: readonly (number | string)[];
}

/** Characters of the longest hostname of a route that matches: first of those without wildcard, then of all. */
function hostRank(hostnames: readonly string[], host: string): readonly number[] | null {
  if (hostnames.length === 0) return [0, 0];
  const matching = hostnames.filter((name) =>
    name.startsWith('*.') ? host.length > name.length - 1 && host.endsWith(name.slice(1)) : name === host,
  );
  if (matching.length === 0) return null;
  const longest = (names: readonly string[]): number => Math.max(0, ...names.map((name) => name.length));
  return [longest(matching.filter((name) => !name.startsWith('*'))), longest(matching)];
}

/** Exact, then the longest prefix, then expressions, then the prefix that every path has. */
function pathRank(match: PathMatch, path: string): readonly number[] | null {
  switch (match.kind) {
    case 'exact':
      return path === match.path ? [3, 0] : null;
    case 'prefix': {
      const holds = match.path === '/' || path === match.path || path.startsWith(`${match.path}/`);
      if (!holds) return null;
      return match.path === '/' ? [0, 0] : [2, match.path.length];
    }
    case 'regex':
      return new RegExp(`^(?:${match.source})$`).test(path) ? [1, match.source.length] : null;
  }
}

function holds(matches: readonly NamedMatch[], valueOf: (name: string) => string | null): boolean {
  return matches.every(({ name, value }) => {
    const found = valueOf(name);
    if (found === null) return false;
    return value.kind === 'exact' ? found === value.value : new RegExp(`^(?:${value.source})$`).test(found);
  });
}

function naive(routes: readonly AttachedHttpRoute<string>[], request: RouteRequest): Found | null {
  const params = new URLSearchParams(request.query);
  const found: Found[] = [];
  for (const route of routes) {
    const host = hostRank(route.hostnames, request.host);
    if (host === null) continue;
    for (const [rule, { matches }] of route.rules.entries()) {
      for (const match of matches) {
        const path = pathRank(match.path, request.path);
        if (path === null || (match.method !== null && match.method !== request.method)) continue;
        if (!holds(match.headers, (name) => request.header(name))) continue;
        if (!holds(match.queryParams, (name) => params.get(name))) continue;
        found.push({
          route: `${route.namespace}/${route.name}`,
          rule,
          rank: [
            ...host,
            ...path,
            match.method === null ? 0 : 1,
            match.headers.length,
            match.queryParams.length,
            -route.createdMs,
            `${route.namespace}/${route.name}`,
            -rule,
          ],
        });
      }
    }
  }
  return found.sort((a, b) => compareRanks(a.rank, b.rank))[0] ?? null;
}

function compareRanks(a: Found['rank'], b: Found['rank']): number {
  for (const [index, left] of a.entries()) {
    const right = b[index];
    if (left === right) continue;
    if (typeof left === 'number' && typeof right === 'number') return right - left;
    return String(left) < String(right) ? -1 : 1;
  }
  return 0;
}

const PATHS = ['/', '/a', '/a/', '/a/b', '/a/b/c', '/ab', '/b', '/b/a', '/a//b', '/a/./b/../c'];
const HOSTS = ['a.example', 'b.a.example', 'c.b.a.example', 'example', 'other'];
const path: fc.Arbitrary<PathMatch> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('exact' as const, 'prefix' as const),
    path: fc.constantFrom('/', '/a', '/a/b', '/a/b/c', '/b').map(normalPath),
  }),
  fc.record({
    kind: fc.constant('regex' as const),
    source: fc.constantFrom('/a.*', '/[ab]', '/a/b|/b', '.*/c', '/a/b.*', '/a/[bc]', '/a/b/[a-z]'),
  }),
);
const named = (names: readonly string[]): fc.Arbitrary<readonly NamedMatch[]> =>
  fc.uniqueArray(
    fc.record({
      name: fc.constantFrom(...names),
      value: fc.oneof(
        fc.record({ kind: fc.constant('exact' as const), value: fc.constantFrom('1', '2') }),
        fc.record({ kind: fc.constant('regex' as const), source: fc.constantFrom('[12]', '2.*') }),
      ),
    }),
    { maxLength: 2, selector: ({ name }) => name },
  );
const match: fc.Arbitrary<HttpMatch> = fc
  .record({
    path,
    headers: named(['x', 'y']),
    queryParams: named(['p', 'q']),
    method: fc.constantFrom(null, null, 'GET', 'POST'),
  })
  .map(aMatch);
const route: fc.Arbitrary<AttachedHttpRoute<string>> = fc.record({
  namespace: fc.constantFrom('m', 'n'),
  name: fc.constantFrom('a', 'b', 'c', 'd'),
  createdMs: fc.constantFrom(1, 2),
  hostnames: fc.subarray(['a.example', '*.a.example', '*.example', 'b.a.example'], { maxLength: 2 }),
  rules: fc.array(
    fc.array(match, { minLength: 1, maxLength: 3 }).map((matches) => aRule({ matches })),
    { minLength: 1, maxLength: 3 },
  ),
});
const request: fc.Arbitrary<RouteRequest> = fc
  .record({
    path: fc.constantFrom(...PATHS),
    query: fc.constantFrom('', 'p=1', 'p=2&q=1', 'q=2', 'p=1&p=2'),
    host: fc.constantFrom(...HOSTS),
    method: fc.constantFrom('GET', 'POST'),
    headers: fc.constantFrom({}, { x: '1' }, { x: '2', y: '1' }, { y: '2' }),
  })
  .map(({ path: url, query, ...rest }) => aRequest(`${url}?${query}`, rest));

test('match() finds what the specification gives precedence, among routes of any kind', () => {
  let matches = 0;
  fc.assert(
    fc.property(
      fc.uniqueArray(route, { minLength: 1, maxLength: 12, selector: ({ namespace, name }) => `${namespace}/${name}` }),
      fc.array(request, { minLength: 1, maxLength: 8 }),
      (routes, requests) => {
        const table = compileHttpRoutes(routes);
        for (const one of requests) {
          const found = table.match(one)?.rule ?? null;
          const expected = naive(routes, one);
          assert.deepEqual(
            found === null ? null : [found.routeKey, found.index],
            expected === null ? null : [expected.route, expected.rule],
          );
          if (found !== null) matches++;
        }
      },
    ),
    { seed: 20_261_126, numRuns: 1_500 },
  );
  assert.ok(matches > 2_000, `only ${matches} requests matched anything`);
});
