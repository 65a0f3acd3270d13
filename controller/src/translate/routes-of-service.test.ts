import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MeshObject } from '@ambit/mesh/kinds';
import { parseServiceKey } from '@ambit/mesh/model';
import type { PortRoutes, RouteBackend, RouteGroup } from '@ambit/mesh/routes';
import { intersectHostnames } from './intersect-hostnames.ts';
import { createRouteWorld } from './route-world.ts';
import { routesOfService } from './routes-of-service.ts';
import { ROUTE_SETTINGS, routeObject } from '../../test/route-objects.ts';

type Json = Readonly<Record<string, unknown>>;

const WEB = { group: '', kind: 'Service', namespace: 'shop', name: 'web' };

const ports = [{ port: 80 }, { port: 90, name: 'admin' }];
const SERVICES = ['web', 'v1', 'v2'].map((name, index) =>
  routeObject('Service', name, { clusterIP: `10.0.0.${index + 1}`, ports }),
);

/** Names of routes and of the backends of their first rule. */
function shown(group: RouteGroup | null): unknown {
  if (group === null) return null;
  const names = (backends: readonly { readonly backend: RouteBackend }[]): string =>
    backends.map(({ backend }) => nameOf(backend)).join();
  if (group.kind === 'stream')
    return group.routes.map(({ routeKey, backends }) => `${group.kind} ${routeKey} ${names(backends)}`);
  return group.routes.map(
    (route) => `${group.kind} ${route.namespace}/${route.name} ${names(route.rules[0]?.backends ?? [])}`,
  );
}

function nameOf(backend: RouteBackend): string {
  if (backend.kind === 'invalid') return backend.kind;
  return backend.version === null ? backend.service : `${backend.service}@${backend.version}`;
}

function routesAt(...routes: readonly MeshObject[]): unknown {
  const found = routesOfService(WEB, createRouteWorld([...SERVICES, ...routes], ROUTE_SETTINGS));
  const plain = ({ producer, consumers }: PortRoutes): unknown => ({
    producer: shown(producer),
    ...Object.fromEntries([...consumers].map(([namespace, group]) => [namespace, shown(group)])),
  });
  return Object.fromEntries([...found].map(([port, one]) => [port, plain(one)]));
}

const toV1 = { rules: [{ backendRefs: [{ name: 'v1', namespace: 'shop', port: 80 }] }] };
const at = (more: Json = {}): Json => ({ parentRefs: [{ ...WEB, ...more }] });

test('routesOfService() gives the routes of each port, for everyone and for callers of other namespaces', () => {
  const old = { creationTimestamp: '2026-01-01T00:00:00Z' };
  const young = { creationTimestamp: '2026-02-01T00:00:00Z' };
  const faulty = { rules: [{ filters: [{ type: 'New' }] }] };
  const table: readonly (readonly [what: string, found: unknown, expected: unknown])[] = [
    ['none', routesAt(), {}],
    [
      'a route at every port',
      routesAt(routeObject('HTTPRoute', 'a', { ...at(), ...toV1 })),
      {
        80: { producer: ['http shop/a shop/v1.shop.svc.cluster.local'] },
        90: { producer: ['http shop/a shop/v1.shop.svc.cluster.local'] },
      },
    ],
    [
      'several at one, the older first',
      routesAt(
        routeObject('HTTPRoute', 'a', at({ port: 80 }), young),
        routeObject('HTTPRoute', 'b', at({ sectionName: 'admin' }), young),
        routeObject('HTTPRoute', 'c', at({ port: 80 }), old),
      ),
      { 80: { producer: ['http shop/c ', 'http shop/a '] }, 90: { producer: ['http shop/b '] } },
    ],
    [
      'consumers beside the producer',
      routesAt(
        routeObject('HTTPRoute', 'a', at({ port: 80 })),
        routeObject('HTTPRoute', 'b', { ...at({ port: 80 }), ...toV1 }, { namespace: 'other' }),
        routeObject('GRPCRoute', 'c', at({ port: 80 }), { namespace: 'third' }),
      ),
      {
        80: {
          producer: ['http shop/a '],
          other: ['http other/b shop/v1.shop.svc.cluster.local'],
          third: ['grpc third/c '],
        },
      },
    ],
    [
      'only consumers',
      routesAt(routeObject('HTTPRoute', 'b', at({ port: 80 }), { namespace: 'other' })),
      { 80: { producer: null, other: ['http other/b '] } },
    ],
    [
      'one kind of several',
      routesAt(
        routeObject('HTTPRoute', 'a', at({ port: 80 })),
        routeObject('TCPRoute', 'b', { ...at({ port: 80 }), ...toV1 }),
      ),
      { 80: { producer: ['http shop/a '] } },
    ],
    [
      'connections',
      routesAt(routeObject('TCPRoute', 'b', { ...at({ port: 80 }), ...toV1 })),
      { 80: { producer: ['stream shop/b shop/v1.shop.svc.cluster.local'] } },
    ],
    ['one that is not accepted', routesAt(routeObject('HTTPRoute', 'a', { ...at(), ...faulty })), {}],
    [
      'a backend that is not there keeps its share',
      routesAt(
        routeObject('HTTPRoute', 'a', {
          ...at({ port: 80 }),
          rules: [
            {
              backendRefs: [
                { name: 'x', port: 80 },
                { name: 'v2', port: 80 },
              ],
            },
          ],
        }),
      ),
      { 80: { producer: ['http shop/a invalid,shop/v2.shop.svc.cluster.local'] } },
    ],
    [
      'a version of a Service',
      routesAt(
        routeObject('TCPRoute', 'b', {
          ...at({ port: 80 }),
          rules: [{ backendRefs: [{ group: 'ambit.dev', kind: 'ServiceVersion', name: 'web.2.0', port: 80 }] }],
        }),
      ),
      { 80: { producer: ['stream shop/b shop/web.shop.svc.cluster.local@2.0'] } },
    ],
    ['another port than there is', routesAt(routeObject('HTTPRoute', 'a', at({ port: 81 }))), {}],
  ];
  for (const [what, found, expected] of table) assert.deepEqual(found, expected, what);
});

test('routesOfService() leaves out hostnames, and mirrors that go nowhere', () => {
  const mirrorTo = (name: string): Json => ({
    type: 'RequestMirror',
    requestMirror: { backendRef: { name, port: 80 } },
  });
  const route = routeObject(
    'HTTPRoute',
    'a',
    { ...at({ port: 80 }), hostnames: ['a.example'], rules: [{ filters: [mirrorTo('x'), mirrorTo('v2')] }] },
    { creationTimestamp: '1970-01-01T00:00:01Z' },
  );
  const group = routesOfService(WEB, createRouteWorld([...SERVICES, route], ROUTE_SETTINGS)).get(80)?.producer;
  assert.ok(group?.kind === 'http');
  const [attached] = group.routes;
  assert.deepEqual([attached?.hostnames, attached?.createdMs], [[], 1000]);
  const service = parseServiceKey('shop/v2.shop.svc.cluster.local');
  assert.deepEqual(attached?.rules[0]?.filters.mirrors, [
    { backend: { kind: 'service', service, port: 80, version: null }, numerator: 100, denominator: 100 },
  ]);
});

test('intersectHostnames() takes the narrower of two names', () => {
  const table: readonly (readonly [
    route: readonly string[],
    listener: string | null,
    expected: readonly string[] | null,
  ])[] = [
    [[], null, []],
    [['a.b'], null, ['a.b']],
    [[], '*.b', ['*.b']],
    [['a.b'], 'a.b', ['a.b']],
    [['a.b', 'c.d'], '*.b', ['a.b']],
    [['*.b', '*.a.b'], 'x.a.b', ['x.a.b']],
    [['*.a.b'], '*.b', ['*.a.b']],
    [['*.b'], '*.a.b', ['*.a.b']],
    [['b'], '*.b', null],
    [['a.c'], '*.b', null],
    [['*.b'], '*.b', ['*.b']],
    [['ab'], '*.b', null],
  ];
  for (const [route, listener, expected] of table) assert.deepEqual(intersectHostnames(route, listener), expected);
});
