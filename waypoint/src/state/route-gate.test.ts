import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServiceKey, type ServiceKey } from '@ambit/mesh/model';
import { NO_FILTERS, type ServiceRoutes } from '@ambit/mesh/routes';
import { buildService, ManualClock } from '@ambit/mesh/testing';
import type { RouteChanges } from '../route/route-tables.ts';
import { ROUTE_PATIENCE_MS, RouteGate } from './route-gate.ts';

const [v1, v2] = ['v1', 'v2'].map((name) => buildService({ name }));
assert.ok(v1 !== undefined && v2 !== undefined);
const WEB = parseServiceKey('shop/web.shop');

function routes(...names: readonly ServiceKey[]): ServiceRoutes {
  const backends = names.map((service) => ({
    backend: { kind: 'service', service, port: 80, version: null } as const,
    weight: 1,
    filters: NO_FILTERS,
  }));
  const producer = { kind: 'stream', routes: [{ routeKey: 'shop/r', serverNames: [], backends }] } as const;
  return { service: WEB, ports: new Map([[80, { producer, consumers: new Map() }]]) };
}

function start(): { readonly gate: RouteGate; readonly clock: ManualClock; readonly due: RouteChanges[] } {
  const clock = new ManualClock();
  const due: RouteChanges[] = [];
  return { clock, due, gate: new RouteGate({ clock, onDue: (changes) => due.push(changes) }) };
}

const put = (...all: readonly ServiceRoutes[]) => ({
  put: new Map(all.map((one) => [one.service as string, one])),
  removed: [],
});
const NONE = { put: [], removed: [] };

test('RouteGate lets routes through once every service they name is known', () => {
  const { gate, clock } = start();
  gate.see({ services: [v1] });
  const [one, both] = [routes(v1.key), routes(v1.key, v2.key)];
  assert.deepEqual(gate.take(put(one)), { put: [one], removed: [] });
  assert.deepEqual(gate.take(put(both)), NONE);
  assert.deepEqual(gate.waiting, [WEB]);
  assert.deepEqual(gate.see({ workloads: [] }), NONE);
  assert.deepEqual(gate.see({ services: [v2] }), { put: [both], removed: [] });
  assert.equal(clock.pending, 0);
  gate.see({ removedServices: [v2.key] });
  assert.deepEqual(gate.take(put(both)), NONE);
  assert.deepEqual(gate.take(put(both), false), { put: [both], removed: [] });
  assert.equal(clock.pending, 0);
  gate.take(put(both));
  assert.deepEqual(gate.take({ put: new Map(), removed: [WEB] }), { put: [], removed: [WEB] });
  assert.equal(clock.pending, 0);
});

test('RouteGate waits no longer than it may, and for the newest routes of a service', async () => {
  const { gate, clock, due } = start();
  const [first, second] = [routes(v1.key), routes(v1.key, v2.key)];
  gate.take(put(first));
  await clock.advance(ROUTE_PATIENCE_MS - 1);
  gate.take(put(second));
  await clock.advance(ROUTE_PATIENCE_MS - 1);
  assert.deepEqual(due, []);
  await clock.advance(1);
  assert.deepEqual(due, [{ put: [second], removed: [] }]);
  gate.take(put(first));
  gate[Symbol.dispose]();
  assert.equal(clock.pending, 0);
});
