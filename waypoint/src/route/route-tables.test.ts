import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServiceKey } from '@ambit/mesh/model';
import { closedRoutes } from '@ambit/mesh/route-wire';
import { decideStream, type RouteGroup } from '@ambit/mesh/routes';
import { RouteTables } from './route-tables.ts';

const WEB = parseServiceKey('shop/web.shop');
const group = (name: string): RouteGroup => ({
  kind: 'http',
  routes: [{ namespace: 'shop', name, createdMs: 0, hostnames: [], rules: [] }],
});
const routes = (consumers: readonly string[]) => ({
  service: WEB,
  ports: new Map([[80, { producer: group('p'), consumers: new Map(consumers.map((name) => [name, group(name)])) }]]),
});

test("RouteTables gives a consumer's callers its own, all others the producer's, each compiled once", () => {
  const tables = new RouteTables();
  assert.equal(tables.of(WEB, 80, 'any'), null);
  tables.apply({ put: [routes(['mine'])], removed: [] });
  const [own, other] = [tables.of(WEB, 80, 'mine'), tables.of(WEB, 80, '')];
  assert.ok(own !== null && other !== null && own !== other);
  assert.equal(tables.of(WEB, 80, 'another'), other);
  assert.equal(tables.of(WEB, 81, 'mine'), null);
  assert.deepEqual([tables.isConsumer(WEB, 80, 'mine'), tables.isConsumer(WEB, 80, '')], [true, false]);
  tables.apply({ put: [routes([])], removed: [] });
  assert.equal(tables.isConsumer(WEB, 80, 'mine'), false);
  assert.notEqual(tables.of(WEB, 80, 'mine'), other);
  tables.apply({ put: [], removed: [WEB] });
  assert.equal(tables.of(WEB, 80, ''), null);
});

test('RouteTables gives the routes that see connections in their order, and whether they ask for a server name', () => {
  const tables = new RouteTables();
  const route = (routeKey: string) => ({ routeKey, serverNames: [], backends: [] });
  const stream: RouteGroup = { kind: 'stream', routes: [route('shop/old'), route('shop/new')] };
  tables.apply({
    put: [{ service: WEB, ports: new Map([[80, { producer: stream, consumers: new Map() }]]) }],
    removed: [],
  });
  assert.deepEqual(tables.of(WEB, 80, ''), {
    kind: 'connections',
    routes: stream.routes,
    asksForServerName: false,
  });
});

test('RouteTables sends nothing to a service whose routes cannot be read', () => {
  const tables = new RouteTables();
  tables.apply({ put: [closedRoutes(WEB) ?? assert.fail()], removed: [] });
  for (const port of [80, 81]) {
    const closed = tables.of(WEB, port, 'any');
    assert.ok(closed?.kind === 'connections');
    assert.deepEqual(decideStream(closed.routes, null, 0), { kind: 'refuse', routeKey: '', reason: 'faulty-route' });
  }
  assert.equal(tables.isConsumer(WEB, 80, 'any'), false);
  tables.apply({ put: [routes([])], removed: [] });
  assert.equal(tables.of(WEB, 80, 'any')?.kind, 'requests');
});
