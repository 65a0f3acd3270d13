import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MeshObject } from '@ambit/mesh/kinds';
import { encodeServiceRoutes, parseServiceRoutes } from '@ambit/mesh/route-wire';
import {
  compileGrpcRoutes,
  compileHttpRoutes,
  decideRequest,
  type RequestDecision,
  type RequestFacts,
  type RouteBackend,
  type RouteGroup,
  type RouteTable,
} from '@ambit/mesh/routes';
import { aRequest } from '@ambit/mesh/testing';
import fc from 'fast-check';
import { ROUTE_SETTINGS, routeObject } from '../../test/route-objects.ts';
import { createRouteWorld } from './route-world.ts';
import { translateServiceRoutes } from './translate-service-routes.ts';

type Json = Readonly<Record<string, unknown>>;

const WEB = { group: '', kind: 'Service', namespace: 'shop', name: 'web' };
const SERVICES = ['web', 'v1', 'v2'].map((name, index) =>
  routeObject('Service', name, { clusterIP: `10.0.0.${index + 1}`, ports: [{ port: 80 }, { port: 90 }] }),
);
const IMPORT = {
  group: 'multicluster.x-k8s.io',
  kind: 'ServiceImport',
  namespace: 'shop',
  name: 'far',
};

/** The Service in place of the ServiceImport. */
const HERE = { group: '', kind: 'Service' };

test('translateServiceRoutes() names the resource as the service, and gives none without routes', () => {
  const far = routeObject('ServiceImport', 'far', { type: 'ClusterSetIP', ports: [{ port: 80, protocol: 'TCP' }] });
  const here = routeObject('Service', 'far', { clusterIP: '10.0.0.9', ports: [{ port: 80 }] });
  const route = (parent: Json): MeshObject => routeObject('HTTPRoute', 'a', { parentRefs: [{ port: 80, ...parent }] });
  const table: readonly (readonly [
    what: string,
    parent: typeof WEB,
    objects: readonly MeshObject[],
    expected: unknown,
  ])[] = [
    ['no routes', WEB, [], null],
    ['of another service', WEB, [route({ ...WEB, name: 'v1' })], null],
    ['a Service', WEB, [route(WEB)], ['shop/web.shop.svc.cluster.local', 80]],
    ['no port of that number', WEB, [route({ ...WEB, port: 81 })], null],
    ['a ServiceImport', IMPORT, [far, here, route(IMPORT)], ['shop/far.shop.svc.clusterset.local', 80]],
    ['its Service has none of its routes', { ...IMPORT, ...HERE }, [far, here, route(IMPORT)], null],
    ['it has none of its Service', IMPORT, [far, here, route({ ...IMPORT, ...HERE })], null],
    ['a ServiceImport without a Service here', IMPORT, [far, route(IMPORT)], null],
    ['a ServiceImport that is not there', IMPORT, [route(IMPORT)], null],
  ];
  for (const [what, parent, objects, expected] of table) {
    const found = translateServiceRoutes(parent, createRouteWorld([...SERVICES, ...objects], ROUTE_SETTINGS));
    assert.deepEqual(found === null ? null : [found.service, ...found.ports.keys()], expected, what);
  }
});

// What Gateway API allows, in every field that a waypoint acts on.

const some = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(arbitrary, { minLength: 1, maxLength: 3 });
const fields = (model: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Json> =>
  fc.record(model, { requiredKeys: [] });
const all = (model: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Json> => fc.record(model);
const typed = (
  names: readonly string[],
  values: readonly string[],
  expressions: readonly string[],
): fc.Arbitrary<Json> =>
  fc.oneof(
    all({ name: fc.constantFrom(...names), value: fc.constantFrom(...values) }),
    all({
      name: fc.constantFrom(...names),
      type: fc.constant('RegularExpression'),
      value: fc.constantFrom(...expressions),
    }),
  );
const named = (names: readonly string[]): fc.Arbitrary<Json[]> =>
  fc.array(typed(names, ['1', '2'], ['[12]', '2.*']), { maxLength: 2 });

const path = fc.oneof(
  all({ type: fc.constantFrom('Exact', 'PathPrefix'), value: fc.constantFrom('/', '/a', '/a/', '/a/b', '/b') }),
  all({ type: fc.constant('RegularExpression'), value: fc.constantFrom('/a.*', '/[ab]', '.*/c') }),
);
const httpMatch = fields({
  path,
  headers: named(['X', 'y']),
  queryParams: named(['p', 'Q']),
  method: fc.constantFrom('GET', 'POST', 'NEW'),
});
const grpcMatch = fields({
  method: fc.oneof(
    fields({ service: fc.constantFrom('a', 'b.c'), method: fc.constantFrom('d', 'e') }).filter(
      (method) => Object.keys(method).length > 0,
    ),
    all({ type: fc.constant('RegularExpression'), service: fc.constant('[ab].*') }),
  ),
  headers: named(['X']),
});
const ref = all({ name: fc.constantFrom('v1', 'v2', 'gone'), port: fc.constantFrom(80, 90) });
const lines = (prefix: string): fc.Arbitrary<Json[]> =>
  fc.array(all({ name: fc.constantFrom(`${prefix}1`, `${prefix}2`), value: fc.constantFrom('v', 'w x') }), {
    maxLength: 2,
  });
const modifier = fields({ set: lines('X-Set'), add: lines('X-Add'), remove: some(fc.constantFrom('X-Gone', 'y')) });
const replacement = fc.oneof(
  all({ type: fc.constant('ReplaceFullPath'), replaceFullPath: fc.constantFrom('/', '/f', '') }),
  all({ type: fc.constant('ReplacePrefixMatch'), replacePrefixMatch: fc.constantFrom('/', '/g/', '') }),
);
const filter = (type: string, field: string, settings: fc.Arbitrary<unknown>): fc.Arbitrary<Json> =>
  settings.map((value) => ({ type, [field]: value }));
const headerFilters = [
  filter('RequestHeaderModifier', 'requestHeaderModifier', modifier),
  filter('ResponseHeaderModifier', 'responseHeaderModifier', modifier),
];
const mirror = filter(
  'RequestMirror',
  'requestMirror',
  fc.oneof(
    all({ backendRef: ref, percent: fc.constantFrom(0, 50, 100) }),
    all({ backendRef: ref, fraction: fc.constantFrom({ numerator: 1, denominator: 3 }, { numerator: 1 }) }),
  ),
);
const rewrite = filter('URLRewrite', 'urlRewrite', fields({ hostname: fc.constant('new.example'), path: replacement }));
const redirect = filter(
  'RequestRedirect',
  'requestRedirect',
  fields({
    scheme: fc.constantFrom('http', 'https'),
    hostname: fc.constant('new.example'),
    path: replacement,
    port: fc.constantFrom(80, 8443),
    statusCode: fc.constantFrom(301, 308),
  }),
);
const orAll = (...values: readonly string[]): fc.Arbitrary<unknown> =>
  fc.oneof(fc.constant(['*']), some(fc.constantFrom(...values)));
const cors = filter(
  'CORS',
  'cors',
  fields({
    allowOrigins: orAll('https://a.example', 'http://*.b.example:80'),
    allowCredentials: fc.boolean(),
    allowMethods: orAll('GET', 'PUT'),
    allowHeaders: orAll('X', 'y'),
    exposeHeaders: orAll('X'),
    maxAge: fc.constantFrom(1, 600),
  }),
);
const oncePerType = (filters: fc.Arbitrary<Json>[]): fc.Arbitrary<Json[]> =>
  fc.uniqueArray(fc.oneof(...filters), { maxLength: 3, selector: ({ type }) => type });

const backend = (filters: fc.Arbitrary<Json>[]): fc.Arbitrary<Json> =>
  fc
    .tuple(ref, fields({ weight: fc.constantFrom(0, 1, 9), filters: oncePerType(filters) }))
    .map(([to, more]) => ({ ...to, ...more }));
const common = {
  retry: fields({
    codes: fc.constant([503, 500, 503]),
    attempts: fc.constantFrom(1, 25, 26),
    backoff: fc.constantFrom('10ms', '1h'),
  }),
  sessionPersistence: fc.oneof(
    fields({ sessionName: fc.constant('s'), type: fc.constant('Header'), absoluteTimeout: fc.constant('99999h') }),
    fc.constant({ absoluteTimeout: '1h', cookieConfig: { lifetimeType: 'Permanent' } }),
  ),
};
const timeouts = fc.constantFrom({ request: '10s', backendRequest: '1s' }, { request: '0s' }, { backendRequest: '5m' });
const forwardRule = fields({
  matches: some(httpMatch),
  filters: oncePerType([...headerFilters, mirror, rewrite, cors]),
  backendRefs: some(backend([...headerFilters, mirror, rewrite, cors])),
  timeouts,
  ...common,
});
const redirectRule = fields({
  matches: some(httpMatch),
  filters: fc.tuple(redirect, oncePerType([...headerFilters, cors])).map(([first, rest]) => [first, ...rest]),
});
const grpcRule = fields({
  matches: some(grpcMatch),
  filters: oncePerType([...headerFilters, mirror]),
  backendRefs: some(backend(headerFilters)),
  sessionPersistence: common.sessionPersistence,
});

const route = (kind: string, spec: fc.Arbitrary<Json>): fc.Arbitrary<MeshObject> =>
  fc
    .tuple(
      spec,
      fc.constantFrom('a', 'b', 'c'),
      fc.constantFrom('shop', 'shop', 'other'),
      fc.constantFrom('1969-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'),
      fields({ port: fc.constantFrom(80, 90) }),
    )
    .map(([rest, name, namespace, creationTimestamp, port]) =>
      routeObject(kind, name, { parentRefs: [{ ...WEB, ...port }], ...rest }, { namespace, creationTimestamp }),
    );
const anyRoute = fc.oneof(
  { weight: 4, arbitrary: route('HTTPRoute', fc.record({ rules: some(fc.oneof(forwardRule, redirectRule)) })) },
  { weight: 2, arbitrary: route('GRPCRoute', fc.record({ rules: some(grpcRule) })) },
  { weight: 1, arbitrary: route('TCPRoute', fc.record({ rules: fc.tuple(all({ backendRefs: some(ref) })) })) },
  {
    weight: 1,
    arbitrary: route(
      'TLSRoute',
      fc.record({
        hostnames: some(fc.constantFrom('a.example', '*.b.example')),
        rules: fc.tuple(all({ backendRefs: some(ref) })),
      }),
    ),
  },
);

const facts: fc.Arbitrary<RequestFacts> = fc
  .record({
    url: fc.constantFrom('/', '/a?p=1', '/a/b?Q=2&p=2', '/b', '/b/c', '/a/d', '/b.c/e', '/x'),
    method: fc.constantFrom('GET', 'POST', 'OPTIONS'),
    headers: fc.constantFrom<Record<string, string>>(
      {},
      { x: '1' },
      { x: '2', y: '1' },
      { origin: 'https://a.example', 'access-control-request-method': 'PUT' },
    ),
  })
  .map(({ url, ...rest }) => ({
    request: aRequest(url, rest),
    authorityHost: 'Web',
    scheme: 'http',
    listenerPort: 80,
  }));

/** Null for connections, of which there is nothing to decide here. */
function tableOf(group: RouteGroup | null | undefined): RouteTable<RouteBackend> | null {
  if (group?.kind === 'http') return compileHttpRoutes(group.routes);
  return group?.kind === 'grpc' ? compileGrpcRoutes(group.routes) : null;
}

function decide(
  group: RouteGroup | null | undefined,
  about: RequestFacts,
  draws: readonly number[],
): RequestDecision | null {
  const table = tableOf(group);
  const rest = [...draws];
  return table === null ? null : decideRequest(table, about, () => rest.shift() ?? 0);
}

test('what a waypoint reads decides every request as what the controller meant', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.uniqueArray(anyRoute, {
        minLength: 1,
        maxLength: 5,
        selector: ({ meta }) => `${meta.namespace}/${meta.name}`,
      }),
      fc.array(fc.tuple(facts, fc.array(fc.constantFrom(0, 0.3, 0.7, 0.99))), { minLength: 1, maxLength: 8 }),
      (routes, requests) => {
        const meant = translateServiceRoutes(WEB, createRouteWorld([...SERVICES, ...routes], ROUTE_SETTINGS));
        if (meant === null) return;
        const encoded = encodeServiceRoutes(meant);
        const read = parseServiceRoutes({ ...encoded, version: 'v' });
        assert.deepEqual(encodeServiceRoutes(read), encoded);
        assert.deepEqual([...read.ports.keys()], [...meant.ports.keys()]);
        for (const [port, { producer, consumers }] of meant.ports) {
          const there = read.ports.get(port);
          assert.deepEqual([...(there?.consumers.keys() ?? [])], [...consumers.keys()]);
          const pairs = [...consumers].map(([name, group]) => [group, there?.consumers.get(name)] as const);
          for (const [group, readGroup] of [[producer, there?.producer] as const, ...pairs]) {
            if (group?.kind === 'stream') assert.deepEqual(readGroup, group);
            for (const [about, draws] of requests) {
              const decision = decide(group, about, draws);
              assert.deepEqual(decide(readGroup, about, draws), decision);
              const outcome = decision?.kind === 'answer' ? decision.reason : (decision?.kind ?? 'none');
              seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
            }
          }
        }
      },
    ),
    { seed: 20_261_126, numRuns: 600 },
  );
  for (const outcome of [
    'forward',
    'redirect',
    'cors-preflight',
    'no-route',
    'no-backend',
    'invalid-backend',
    'faulty-rule',
  ]) {
    assert.ok((seen.get(outcome) ?? 0) > 20, `${outcome}: ${seen.get(outcome) ?? 0}`);
  }
});
