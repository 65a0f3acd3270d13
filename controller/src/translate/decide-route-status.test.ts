import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MeshObject } from '@ambit/mesh/kinds';
import { decideRouteStatus } from './decide-route-status.ts';
import { type AnyRoute, createRouteWorld, isRoute } from './route-world.ts';
import { ROUTE_SETTINGS, routeObject } from '../../test/route-objects.ts';

type Json = Readonly<Record<string, unknown>>;

function route(kind: string, spec: Json, more: Json = {}): AnyRoute {
  const parsed = routeObject(kind, 'r', spec, more);
  return isRoute(parsed) ? parsed : assert.fail(kind);
}

const HTTP = [
  { port: 80, name: 'http' },
  { port: 90, name: 'admin' },
  { port: 53, name: 'dns', protocol: 'UDP' },
];
const listener = (name: string, more: Json = {}): Json => ({ name, port: 80, protocol: 'HTTP', ...more });
const all = { allowedRoutes: { namespaces: { from: 'All' } } };
const labelled = { allowedRoutes: { namespaces: { from: 'Selector', selector: { matchLabels: { team: 'a' } } } } };
const OBJECTS: readonly MeshObject[] = [
  routeObject('Namespace', 'shop', {}, { labels: { team: 'a' } }),
  routeObject('Namespace', 'other', {}),
  routeObject('Service', 'web', { clusterIP: '10.0.0.1', ports: HTTP }),
  routeObject('Service', 'v2', { clusterIP: '10.0.0.2', ports: HTTP }),
  routeObject('Service', 'secure', { clusterIP: '10.0.0.3', ports: [{ port: 443, appProtocol: 'https' }] }),
  routeObject('Service', 'guarded', { clusterIP: '10.0.0.5', ports: [{ port: 443, appProtocol: 'https' }] }),
  routeObject('BackendTLSPolicy', 'tls', {
    targetRefs: [{ group: '', kind: 'Service', name: 'guarded' }],
    validation: { wellKnownCACertificates: 'System', hostname: 'guarded.example' },
  }),
  routeObject('Service', 'far', { clusterIP: '10.0.0.4', ports: HTTP }, { namespace: 'other' }),
  routeObject('Service', 'pods', { clusterIP: 'None', ports: HTTP }),
  routeObject('Service', 'alias', { type: 'ExternalName', externalName: 'x.example', ports: HTTP }),
  routeObject('ServiceImport', 'web', {
    type: 'ClusterSetIP',
    ports: [{ name: 'set-http', port: 80 }, { port: 91 }],
  }),
  routeObject('ServiceImport', 'guarded', { type: 'ClusterSetIP', ports: [{ port: 443 }] }),
  routeObject('ServiceImport', 'secure', { type: 'ClusterSetIP', ports: [{ port: 443 }] }),
  routeObject('ServiceImport', 'remote', { type: 'ClusterSetIP', ports: [{ port: 80 }] }),
  routeObject('ServiceImport', 'remote-pods', { type: 'Headless', ports: [{ port: 80 }] }),
  routeObject('Gateway', 'waypoint', {
    gatewayClassName: 'ambit-waypoint',
    listeners: [listener('mesh', { port: 15_008, protocol: 'HBONE' })],
  }),
  routeObject('Gateway', 'edge', {
    gatewayClassName: 'ambit',
    listeners: [
      listener('web', { hostname: '*.shop.example', ...all }),
      listener('team', { port: 81, ...labelled }),
      listener('grpc', { port: 82, allowedRoutes: { kinds: [{ kind: 'GRPCRoute' }], namespaces: { from: 'All' } } }),
      listener('db', { port: 83, protocol: 'TCP', ...all }),
      listener('sni', { port: 84, protocol: 'TLS', tls: { mode: 'Passthrough' }, hostname: 'db.example', ...all }),
    ],
  }),
  routeObject('Gateway', 'theirs', { gatewayClassName: 'nginx', listeners: [listener('web')] }),
  routeObject(
    'ReferenceGrant',
    'grant',
    {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'shop' }],
      to: [{ group: '', kind: 'Service', name: 'far' }],
    },
    { namespace: 'other' },
  ),
];

const toService = (name = 'web', more: Json = {}): Json => ({ group: '', kind: 'Service', name, ...more });
const IMPORT = { group: 'multicluster.x-k8s.io', kind: 'ServiceImport' };
const toImport = (name: string, more: Json = {}): Json => ({ ...IMPORT, name, ...more });
const to = (name: string, more: Json = {}): Json => ({ name, port: 80, ...more });

/** Conditions of each parent as `Type=Status Reason: message`. */
function told(one: AnyRoute, others: readonly MeshObject[] = []): readonly string[] {
  const world = createRouteWorld([...OBJECTS, one, ...others], ROUTE_SETTINGS);
  return decideRouteStatus(one, world).flatMap(({ conditions }) =>
    conditions.map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`),
  );
}

const RESOLVED = 'ResolvedRefs=True ResolvedRefs: everything that it names exists';
const PRODUCER = 'Accepted=True Accepted: it counts for every caller whose namespace has no route of its own';
const ATTACHED =
  'Accepted=True Accepted: it is attached, and nothing goes by it yet: only routes of Services and ServiceImports are acted upon';
const refusedBy = (reason: string, message: string): string => `Accepted=False ${reason}: ${message}`;

/** The condition Accepted for one reference to a parent. */
function accepted(ref: Json, fields: Json = {}, kind = 'HTTPRoute', more: Json = {}): string {
  const stream = kind === 'TCPRoute' || kind === 'TLSRoute' ? { rules: [{ backendRefs: [to('web')] }] } : {};
  return told(route(kind, { parentRefs: [ref], ...stream, ...fields }, more))[0] ?? 'not ours';
}

test('decideRouteStatus() says whether a Service takes a route', () => {
  const other = { namespace: 'other' };
  const table: readonly (readonly [what: string, found: string, expected: string])[] = [
    ['its own', accepted(toService()), PRODUCER],
    ['a port', accepted(toService('web', { port: 90 })), PRODUCER],
    ['a port by name', accepted(toService('web', { sectionName: 'admin' })), PRODUCER],
    [
      'of another namespace',
      accepted(toService('web', { namespace: 'shop' }), {}, 'HTTPRoute', other),
      'Accepted=True Accepted: it counts for callers of namespace other',
    ],
    ['a ServiceImport', accepted(toImport('web')), PRODUCER],
    ['a port of one by name', accepted(toImport('web', { sectionName: 'set-http' })), PRODUCER],
    [
      'a port of its Service by name',
      accepted(toImport('web', { sectionName: 'admin' })),
      refusedBy('NoMatchingParent', 'ServiceImport shop/web has no TCP port named admin'),
    ],
    [
      'a port that its Service has not',
      accepted(toImport('web', { port: 91 })),
      refusedBy('NoMatchingParent', 'ServiceImport shop/web has no TCP port 91'),
    ],
    [
      'one of other clusters',
      accepted(toImport('remote')),
      refusedBy('NoMatchingParent', 'ServiceImport shop/remote has no Service of its name in this cluster'),
    ],
    [
      'a headless one',
      accepted(toImport('remote-pods')),
      refusedBy('NoMatchingParent', 'ServiceImport shop/remote-pods is headless'),
    ],
    ['none', accepted(toImport('x')), refusedBy('NoMatchingParent', 'there is no ServiceImport shop/x')],
    ['no Service', accepted(toService('x')), refusedBy('NoMatchingParent', 'there is no Service shop/x')],
    ['a headless Service', accepted(toService('pods')), refusedBy('NoMatchingParent', 'Service shop/pods is headless')],
    [
      'an alias',
      accepted(toService('alias')),
      refusedBy('NoMatchingParent', 'Service shop/alias is only another name (ExternalName)'),
    ],
    [
      'no such port',
      accepted(toService('web', { port: 81 })),
      refusedBy('NoMatchingParent', 'Service shop/web has no TCP port 81'),
    ],
    [
      'another name for the port',
      accepted(toService('web', { port: 80, sectionName: 'admin' })),
      refusedBy('NoMatchingParent', 'Service shop/web has no TCP port 80 named admin'),
    ],
    [
      'a UDP port',
      accepted(toService('web', { port: 53 })),
      refusedBy('NoMatchingParent', 'Service shop/web has no TCP port 53'),
    ],
    ['another kind', accepted({ group: 'x.example', kind: 'Y', name: 'z' }), 'not ours'],
    ['a hostname, which says nothing here', accepted(toService(), { hostnames: ['a.example'] }), PRODUCER],
  ];
  for (const [what, found, expected] of table) assert.equal(found, expected, what);
});

test('decideRouteStatus() says whether a Gateway takes a route', () => {
  const edge = (sectionName?: string): Json => ({ name: 'edge', namespace: 'shop', sectionName });
  const other = { namespace: 'other' };
  const refusal = 'no listener of Gateway shop/edge';
  const table: readonly (readonly [what: string, found: string, expected: string])[] = [
    ['a waypoint', accepted({ name: 'waypoint' }), ATTACHED],
    ['some listener', accepted(edge()), ATTACHED],
    ['one of another class', accepted({ name: 'theirs' }), 'not ours'],
    ['none', accepted({ name: 'x' }), 'not ours'],
    [
      'no such listener',
      accepted(edge('x')),
      refusedBy('NoMatchingParent', 'Gateway shop/edge has no listener named x'),
    ],
    [
      'no such port',
      accepted({ ...edge(), port: 99 }),
      refusedBy('NoMatchingParent', 'Gateway shop/edge has no listener 99'),
    ],
    ['a hostname below', accepted(edge('web'), { hostnames: ['a.shop.example'] }), ATTACHED],
    ['a wider one', accepted(edge('web'), { hostnames: ['*.example'] }), ATTACHED],
    [
      'another',
      accepted(edge('web'), { hostnames: ['shop.example', '*.other'] }),
      refusedBy('NoMatchingListenerHostname', `${refusal} has a hostname that is the route's`),
    ],
    ['a namespace by label', accepted(edge('team')), ATTACHED],
    [
      'another namespace',
      accepted(edge('team'), {}, 'HTTPRoute', other),
      refusedBy('NotAllowedByListeners', `${refusal} allows a HTTPRoute of its namespace`),
    ],
    [
      'the same namespace only',
      accepted({ name: 'waypoint', namespace: 'shop' }, {}, 'HTTPRoute', other),
      refusedBy('NotAllowedByListeners', 'no listener of Gateway shop/waypoint allows a HTTPRoute of its namespace'),
    ],
    [
      'a kind',
      accepted(edge('grpc')),
      refusedBy('NotAllowedByListeners', `${refusal} allows a HTTPRoute of its namespace`),
    ],
    ['that kind', accepted(edge('grpc'), {}, 'GRPCRoute'), ATTACHED],
    [
      'HTTP at TCP',
      accepted(edge('db')),
      refusedBy('NotAllowedByListeners', `${refusal} allows a HTTPRoute of its namespace`),
    ],
    ['TCP', accepted(edge('db'), {}, 'TCPRoute'), ATTACHED],
    ['TLS by its server name', accepted(edge('sni'), { hostnames: ['*.example'] }, 'TLSRoute'), ATTACHED],
    [
      'TLS at HTTP',
      accepted(edge('web'), { hostnames: ['a.shop.example'] }, 'TLSRoute'),
      refusedBy('UnsupportedValue', 'a TLSRoute needs a listener of protocol TLS, and Gateway shop/edge has none'),
    ],
  ];
  for (const [what, found, expected] of table) assert.equal(found, expected, what);
});

test('decideRouteStatus() says what becomes of references to backends', () => {
  const resolved = (
    backendRefs: readonly Json[],
    parent: Json = toService(),
    kind = 'HTTPRoute',
    more: Json = {},
  ): string => {
    const fields = kind === 'TLSRoute' ? { hostnames: ['a'] } : {};
    return told(route(kind, { parentRefs: [parent], rules: [{ backendRefs, ...more }], ...fields }))[1] ?? '';
  };
  const no = (reason: string, message: string): string => `ResolvedRefs=False ${reason}: ${message}`;
  const edge = { name: 'edge' };
  const VERSION = { group: 'ambit.dev', kind: 'ServiceVersion' };
  const mirror = (name: string): Json => ({
    filters: [{ type: 'RequestMirror', requestMirror: { backendRef: to(name) } }],
  });
  const table: readonly (readonly [what: string, found: string, expected: string])[] = [
    ['none', resolved([]), RESOLVED],
    ['a Service', resolved([to('v2')]), RESOLVED],
    ['a ServiceImport', resolved([to('web', IMPORT)]), RESOLVED],
    ['a ServiceImport with one port', resolved([toImport('web')]), RESOLVED],
    [
      'a ServiceImport of other clusters',
      resolved([to('remote', IMPORT)]),
      no('BackendNotFound', 'ServiceImport shop/remote has no Service of its name in this cluster'),
    ],
    [
      'a headless ServiceImport',
      resolved([to('remote-pods', IMPORT)]),
      no('InvalidKind', 'ServiceImport shop/remote-pods is headless'),
    ],
    ['a secured ServiceImport', resolved([toImport('guarded', { port: 443 })]), RESOLVED],
    [
      'a ServiceImport in TLS',
      resolved([toImport('secure', { port: 443 })]),
      no(
        'UnsupportedProtocol',
        'a HTTPRoute cannot be sent to ServiceImport shop/secure:443, which is https without a BackendTLSPolicy',
      ),
    ],
    ['no Service', resolved([to('v2'), to('x')]), no('BackendNotFound', 'there is no Service shop/x')],
    ['no port', resolved([to('v2', { port: 81 })]), no('BackendNotFound', 'Service shop/v2 has no port 81')],
    ['no ServiceImport', resolved([to('x', IMPORT)]), no('BackendNotFound', 'there is no ServiceImport shop/x')],
    [
      'another kind',
      resolved([to('x', { group: 'a.example', kind: 'Bucket' })]),
      no('InvalidKind', 'Bucket of group "a.example" cannot be a backend'),
    ],
    ['a version of a Service', resolved([to('v2.1.0', VERSION)]), RESOLVED],
    ['a version of none', resolved([to('x.v2', VERSION)]), no('BackendNotFound', 'there is no Service shop/x')],
    [
      'a version of an alias',
      resolved([to('alias.v2', VERSION)]),
      no('InvalidKind', 'Service shop/alias is only another name (ExternalName)'),
    ],
    ['an alias', resolved([to('alias')]), no('InvalidKind', 'Service shop/alias is only another name (ExternalName)')],
    [
      'HTTP to TLS',
      resolved([to('secure', { port: 443 })]),
      no(
        'UnsupportedProtocol',
        'a HTTPRoute cannot be sent to Service shop/secure:443, which is https without a BackendTLSPolicy',
      ),
    ],
    ['HTTP to TLS with a policy', resolved([to('guarded', { port: 443 })]), RESOLVED],
    ['TLS to TLS', resolved([to('secure', { port: 443 })], toService(), 'TLSRoute'), RESOLVED],
    [
      'HTTP to UDP',
      resolved([to('v2', { port: 53 })]),
      no('UnsupportedProtocol', 'a HTTPRoute cannot be sent to Service shop/v2:53, which is UDP'),
    ],
    ['another namespace, in a mesh', resolved([to('far', { namespace: 'other' })]), RESOLVED],
    ['with a grant, from a Gateway', resolved([to('far', { namespace: 'other' })], edge), RESOLVED],
    [
      'without one',
      resolved([to('near', { namespace: 'other' })], edge),
      no('RefNotPermitted', 'no ReferenceGrant of namespace other permits Service other/near'),
    ],
    [
      'a grant for another kind of route',
      resolved([to('far', { namespace: 'other' })], edge, 'GRPCRoute'),
      no('RefNotPermitted', 'no ReferenceGrant of namespace other permits Service other/far'),
    ],
    [
      'a mirror',
      resolved([to('v2')], toService(), 'HTTPRoute', mirror('x')),
      no('BackendNotFound', 'there is no Service shop/x'),
    ],
    ['a mirror of a backend', resolved([to('v2', mirror('y'))]), no('BackendNotFound', 'there is no Service shop/y')],
    [
      'several',
      resolved([to('x'), to('alias'), to('x')]),
      no('BackendNotFound', 'there is no Service shop/x; Service shop/alias is only another name (ExternalName)'),
    ],
  ];
  for (const [what, found, expected] of table) assert.equal(found, expected, what);
});

test('decideRouteStatus() drops rules with a fault, and refuses routes that have nothing else', () => {
  const extension = { filters: [{ type: 'ExtensionRef', extensionRef: { group: 'a', kind: 'B', name: 'c' } }] };
  const both = {
    filters: [
      { type: 'RequestRedirect', requestRedirect: {} },
      { type: 'URLRewrite', urlRewrite: {} },
    ],
  };
  const known = 'RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite, RequestMirror, CORS';
  const fault = (index: number): string =>
    `spec.rules[${index}].filters[0].type "ExtensionRef" is not supported: no filter is known by reference; use ${known}`;
  const incompatible = 'spec.rules[0]: RequestRedirect and URLRewrite exclude each other';
  const of = (...rules: readonly Json[]): readonly string[] =>
    told(route('HTTPRoute', { parentRefs: [toService()], rules }));
  assert.deepEqual(of({}, { name: 'b', ...extension }, extension), [
    PRODUCER,
    RESOLVED,
    `PartiallyInvalid=True UnsupportedValue: Dropped Rule b (${fault(1)}); 2 (${fault(2)}); what it matches is answered with 500`,
  ]);
  assert.deepEqual(of(extension), [refusedBy('UnsupportedValue', `no rule is in force: ${fault(0)}`), RESOLVED]);
  assert.deepEqual(of(both), [refusedBy('IncompatibleFilters', `no rule is in force: ${incompatible}`), RESOLVED]);
});

test('decideRouteStatus() lets one kind of route have a place, and says who lost it', () => {
  const at = (kind: string, ref: Json, more: Json = {}, fields: Json = {}): AnyRoute => {
    const stream = kind === 'TCPRoute' || kind === 'TLSRoute' ? { rules: [{ backendRefs: [to('web')] }] } : {};
    const names = kind === 'TLSRoute' ? { hostnames: ['a'] } : {};
    return route(
      kind,
      { parentRefs: [ref], ...stream, ...names, ...fields },
      { name: `the-${kind.toLowerCase()}`, ...more },
    );
  };
  const conflicted = (winner: string): string => refusedBy('Conflicted', `what counts there is ${winner}`);
  const edge = { name: 'edge', sectionName: 'web' };
  const young = { creationTimestamp: '2026-02-01T00:00:00Z' };
  const old = { creationTimestamp: '2026-01-01T00:00:00Z' };
  const faulty = { rules: [{ filters: [{ type: 'New' }] }] };
  const table: readonly (readonly [what: string, one: AnyRoute, others: readonly AnyRoute[], expected: string])[] = [
    ['gRPC wins', at('GRPCRoute', toService()), [at('HTTPRoute', toService(), old)], PRODUCER],
    [
      'HTTP loses',
      at('HTTPRoute', toService()),
      [at('GRPCRoute', toService())],
      conflicted('GRPCRoute shop/the-grpcroute'),
    ],
    [
      'TLS to HTTP',
      at('TLSRoute', toService()),
      [at('HTTPRoute', toService())],
      conflicted('HTTPRoute shop/the-httproute'),
    ],
    [
      'TCP to TLS',
      at('TCPRoute', toService()),
      [at('TLSRoute', toService())],
      conflicted('TLSRoute shop/the-tlsroute'),
    ],
    [
      'at one port of two',
      at('HTTPRoute', toService()),
      [at('GRPCRoute', toService('web', { port: 90 }))],
      `${PRODUCER}, though at some ports what counts is GRPCRoute shop/the-grpcroute`,
    ],
    [
      'at another port',
      at('HTTPRoute', toService('web', { port: 80 })),
      [at('GRPCRoute', toService('web', { port: 90 }))],
      PRODUCER,
    ],
    [
      'for other callers',
      at('HTTPRoute', toService()),
      [at('GRPCRoute', toService('web', { namespace: 'shop' }), { namespace: 'other' })],
      PRODUCER,
    ],
    ['one that is not in force', at('HTTPRoute', toService()), [at('GRPCRoute', toService(), {}, faulty)], PRODUCER],
    ['the same kind merges', at('HTTPRoute', toService()), [at('HTTPRoute', toService(), { name: 'x' })], PRODUCER],
    ['the older at a listener', at('HTTPRoute', edge, old), [at('GRPCRoute', edge, young)], ATTACHED],
    [
      'the younger',
      at('HTTPRoute', edge, young),
      [at('GRPCRoute', edge, old)],
      conflicted('GRPCRoute shop/the-grpcroute'),
    ],
    [
      'other hostnames',
      at('HTTPRoute', edge, young, { hostnames: ['a.shop.example'] }),
      [at('GRPCRoute', edge, old, { hostnames: ['b.shop.example'] })],
      ATTACHED,
    ],
  ];
  for (const [what, one, others, expected] of table) assert.equal(told(one, others)[0], expected, what);
});
