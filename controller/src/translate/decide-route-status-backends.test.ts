import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IMPORT, type Json, RESOLVED, route, to, toImport, toService, told } from '../../test/route-status-world.ts';

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
