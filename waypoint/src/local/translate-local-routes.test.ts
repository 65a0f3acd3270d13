import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseObject } from '@ambit/mesh/kinds';
import { buildService } from '@ambit/mesh/testing';
import type { RouteGroup } from '@ambit/mesh/routes';
import { type LocalRoute, missingBackends, translateLocalRoutes } from './translate-local-routes.ts';

function route(kind: string, name: string, namespace: string, backend: object, port?: number): LocalRoute {
  const object = parseObject({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: { name, namespace },
    spec: {
      parentRefs: [
        { group: '', kind: 'Service', name: 'web', namespace: 'shop', ...(port === undefined ? {} : { port }) },
      ],
      rules: [{ backendRefs: [{ namespace: 'shop', ...backend }] }],
    },
  });
  return object?.kind === 'HTTPRoute' || object?.kind === 'GRPCRoute' ? object : assert.fail(kind);
}

const web = buildService({ name: 'web', namespace: 'shop', hostname: 'web.shop', ports: ['80:8080', '81:8080'] });
const WEB = { name: 'web', port: 80 };

function shown(group: RouteGroup | null | undefined): unknown {
  if (group === null || group === undefined || group.kind === 'stream') return null;
  return [
    group.kind,
    ...group.routes.flatMap(({ name, rules }) =>
      rules.map((rule) => [name, rule.backends.map(({ backend }) => backend)]),
    ),
  ];
}

test('translateLocalRoutes() tells producers from consumers, ports, kinds, and versions of a service', () => {
  const to = (version: string | null): unknown => [{ kind: 'service', service: 'shop/web.shop', port: 80, version }];
  const [routes] = translateLocalRoutes(
    [
      route('HTTPRoute', 'all', 'shop', WEB),
      route('GRPCRoute', 'calls', 'shop', WEB, 81),
      route(
        'HTTPRoute',
        'theirs',
        'other',
        { group: 'ambit.dev', kind: 'ServiceVersion', name: 'web.v2', port: 80 },
        80,
      ),
    ],
    [web],
  );
  const [first, second] = [routes?.ports.get(80), routes?.ports.get(81)];
  assert.deepEqual(shown(first?.producer), ['http', ['all', to(null)]]);
  assert.deepEqual(shown(first?.consumers.get('other')), ['http', ['theirs', to('v2')]]);
  assert.deepEqual(shown(second?.producer), ['grpc', ['calls', to(null)]]);
  assert.equal(second?.consumers.size, 0);
  assert.deepEqual(translateLocalRoutes([], [web]), []);
});

test('missingBackends() names what the file does not have', () => {
  const cases: readonly (readonly [object, boolean])[] = [
    [WEB, false],
    [{ name: 'web', port: 82 }, true],
    [{ name: 'other', port: 80 }, true],
    [{ group: 'ambit.dev', kind: 'ServiceVersion', name: 'web.v9', port: 80 }, false],
    [{ group: 'x.io', kind: 'Bucket', name: 'web' }, true],
    [{ ...WEB, group: 'x.io', kind: 'Service' }, true],
  ];
  for (const [backend, isMissing] of cases) {
    const found = missingBackends(route('HTTPRoute', 'r', 'shop', backend), [web]);
    assert.deepEqual(
      found.map(({ field }) => field),
      isMissing ? ['spec.rules[0].backendRefs[0]'] : [],
      JSON.stringify(backend),
    );
  }
});
