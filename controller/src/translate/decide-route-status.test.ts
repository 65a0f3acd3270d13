import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AnyRoute } from './route-world.ts';
import {
  accepted,
  ATTACHED,
  type Json,
  PRODUCER,
  refusedBy,
  RESOLVED,
  route,
  to,
  toImport,
  toService,
  told,
} from '../../test/route-status-world.ts';

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
