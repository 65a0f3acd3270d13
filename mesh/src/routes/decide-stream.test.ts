import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServiceKey } from '../model/service.ts';
import type { RouteBackend } from './backend.ts';
import { asksForServerName, decideStream } from './decide-stream.ts';
import { NO_FILTERS } from './rule.ts';
import type { StreamRoute } from './service-routes.ts';

const service = (name: string): RouteBackend => ({
  kind: 'service',
  service: parseServiceKey(`shop/${name}`),
  port: 80,
  version: null,
});

/** Backends by weight; `-` is one that is invalid. */
function route(name: string, serverNames: readonly string[], weights: Readonly<Record<string, number>>): StreamRoute {
  const backends = Object.entries(weights).map(([backend, weight]) => ({
    backend: backend === '-' ? ({ kind: 'invalid', reason: 'BackendNotFound' } as const) : service(backend),
    weight,
    filters: NO_FILTERS,
  }));
  return { routeKey: `shop/${name}`, serverNames, backends };
}

function shown(routes: readonly StreamRoute[], serverName: string | null, draw = 0): string {
  const decision = decideStream(routes, serverName, draw);
  return decision.kind === 'forward'
    ? `${decision.routeKey} ${decision.backend.service}`
    : `${decision.routeKey} ${decision.reason}`;
}

test('decideStream() takes the route with the most specific server name, then the first', () => {
  const any = route('any', [], { any: 1 });
  const exact = route('exact', ['x', 'a.b.c'], { exact: 1 });
  const wide = route('wide', ['*.c'], { wide: 1 });
  const narrow = route('narrow', ['*.b.c'], { narrow: 1 });
  const again = route('again', ['a.b.c'], { again: 1 });
  const all = [any, wide, narrow, exact, again];
  const table: readonly (readonly [routes: readonly StreamRoute[], serverName: string | null, expected: string])[] = [
    [[], null, ' no-route'],
    [[any], null, 'shop/any shop/any'],
    [[any], 'a.b.c', 'shop/any shop/any'],
    [[any, route('later', [], { later: 1 })], null, 'shop/any shop/any'],
    [all, 'a.b.c', 'shop/exact shop/exact'],
    [all, 'd.b.c', 'shop/narrow shop/narrow'],
    [all, 'e.d.b.c', 'shop/narrow shop/narrow'],
    [all, 'b.c', 'shop/wide shop/wide'],
    [all, 'c', 'shop/any shop/any'],
    [[wide], 'c', ' no-route'],
    [[wide], 'xc', ' no-route'],
    [[wide, exact], null, ' no-route'],
  ];
  for (const [routes, serverName, expected] of table) assert.equal(shown(routes, serverName), expected);
});

test('decideStream() draws a backend by weight, and refuses what is drawn for one that is not there', () => {
  const weighted = [route('r', [], { a: 1, b: 0, c: 2, '-': 1 })];
  const table: readonly (readonly [draw: number, expected: string])[] = [
    [0, 'shop/r shop/a'],
    [0.2499, 'shop/r shop/a'],
    [0.25, 'shop/r shop/c'],
    [0.7499, 'shop/r shop/c'],
    [0.75, 'shop/r faulty-route'],
  ];
  for (const [draw, expected] of table) assert.equal(shown(weighted, null, draw), expected);
  assert.equal(shown([route('r', [], { a: 0 })], null), 'shop/r faulty-route');
  assert.equal(shown([route('r', [], {})], null), 'shop/r faulty-route');
});

test('asksForServerName() says whether a name has to be waited for', () => {
  assert.deepEqual([[], [route('a', [], {})], [route('a', [], {}), route('b', ['x'], {})]].map(asksForServerName), [
    false,
    false,
    true,
  ]);
});
