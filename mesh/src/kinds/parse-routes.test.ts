import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_FILTERS, parsed } from '../testing/parsed-routes.ts';
import type { Json } from '../testing/route-manifests.ts';

const SERVICE = { group: '', kind: 'Service', name: 'web' };
const RULE = {
  name: null,
  matches: [{ path: { kind: 'prefix', path: '/' }, headers: [], queryParams: [], method: null }],
  filters: NO_FILTERS,
  backends: [],
  timeouts: { requestMs: null, backendRequestMs: null },
  retry: null,
  session: null,
  fault: null,
};
const backend = (name: string, more: Json = {}): Json => ({
  group: '',
  kind: 'Service',
  namespace: 'shop',
  name,
  port: 80,
  ...more,
});

test('parseObject fills in what an HTTPRoute leaves out', () => {
  const table: readonly (readonly [what: string, spec: Json, expected: Json])[] = [
    ['nothing at all', {}, { parents: [], hostnames: [], rules: [RULE] }],
    [
      'a Gateway and one backend',
      { parentRefs: [{ name: 'gw' }], rules: [{ backendRefs: [{ name: 'web', port: 80 }] }] },
      {
        parents: [
          {
            group: 'gateway.networking.k8s.io',
            kind: 'Gateway',
            namespace: 'shop',
            name: 'gw',
            sectionName: null,
            port: null,
          },
        ],
        hostnames: [],
        rules: [{ ...RULE, backends: [{ backend: backend('web'), weight: 1, filters: NO_FILTERS }] }],
      },
    ],
    [
      'empty matches, an empty match and a match without a value',
      { rules: [{ matches: [] }, { matches: [{}] }, { matches: [{ path: { type: 'Exact' } }] }] },
      {
        parents: [],
        hostnames: [],
        rules: [RULE, RULE, { ...RULE, matches: [{ ...RULE.matches[0], path: { kind: 'exact', path: '/' } }] }],
      },
    ],
  ];
  for (const [what, spec, expected] of table) assert.deepEqual(parsed('HTTPRoute', spec), expected, what);
});

test('parseObject reads every field of an HTTPRoute', () => {
  const spec = {
    parentRefs: [
      { ...SERVICE, namespace: 'other', sectionName: 'http', port: 80 },
      { ...SERVICE, namespace: 'other', sectionName: 'grpc', port: 81 },
    ],
    useDefaultGateways: 'None',
    hostnames: ['shop.example', '*.shop.example'],
    rules: [
      {
        name: 'canary',
        matches: [
          {
            path: { type: 'PathPrefix', value: '/v2%2D/' },
            headers: [
              { name: 'X-Version', value: 'two' },
              { name: 'x-version', value: 'ignored' },
              { name: 'User-Agent', type: 'RegularExpression', value: '.*Chrome.*' },
            ],
            queryParams: [{ name: 'Animal', value: 'whale' }],
            method: 'GET',
          },
        ],
        filters: [
          {
            type: 'RequestHeaderModifier',
            requestHeaderModifier: {
              set: [{ name: 'X-Set', value: 'a b' }],
              add: [{ name: 'X-Add', value: 'b,c' }],
              remove: ['X-Remove', 'x-remove'],
            },
          },
          { type: 'ResponseHeaderModifier', responseHeaderModifier: { remove: ['Server'] } },
          {
            type: 'URLRewrite',
            urlRewrite: { hostname: 'new.example', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } },
          },
          { type: 'RequestMirror', requestMirror: { backendRef: { name: 'shadow', port: 80 } } },
          { type: 'RequestMirror', requestMirror: { backendRef: { name: 'shadow', port: 80 }, percent: 0 } },
          {
            type: 'RequestMirror',
            requestMirror: { backendRef: { name: 'shadow', port: 80 }, fraction: { numerator: 1, denominator: 1000 } },
          },
          {
            type: 'CORS',
            cors: {
              allowOrigins: ['https://*.shop.example:8443'],
              allowCredentials: true,
              allowMethods: ['GET', 'PUT'],
              allowHeaders: ['X-A'],
              exposeHeaders: ['X-B'],
              maxAge: 60,
            },
          },
        ],
        backendRefs: [
          { name: 'web', port: 80, weight: 0 },
          {
            group: 'multicluster.x-k8s.io',
            kind: 'ServiceImport',
            name: 'far',
            namespace: 'other',
            port: 80,
            weight: 1_000_000,
            filters: [
              { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'X-Far', value: '1' }] } },
            ],
          },
        ],
        timeouts: { request: '10s', backendRequest: '2s' },
        retry: { codes: [503, 500, 503], attempts: 3, backoff: '100ms' },
        sessionPersistence: {
          sessionName: 'cart',
          absoluteTimeout: '1h',
          type: 'Cookie',
          cookieConfig: { lifetimeType: 'Permanent' },
        },
      },
    ],
  };
  assert.deepEqual(parsed('HTTPRoute', spec), {
    parents: [
      { ...SERVICE, namespace: 'other', sectionName: 'http', port: 80 },
      { ...SERVICE, namespace: 'other', sectionName: 'grpc', port: 81 },
    ],
    hostnames: ['shop.example', '*.shop.example'],
    rules: [
      {
        name: 'canary',
        matches: [
          {
            path: { kind: 'prefix', path: '/v2-' },
            headers: [
              { name: 'x-version', value: { kind: 'exact', value: 'two' } },
              { name: 'user-agent', value: { kind: 'regex', source: '.*Chrome.*' } },
            ],
            queryParams: [{ name: 'Animal', value: { kind: 'exact', value: 'whale' } }],
            method: 'GET',
          },
        ],
        filters: {
          requestHeaders: {
            set: [{ name: 'x-set', value: 'a b' }],
            add: [{ name: 'x-add', value: 'b,c' }],
            remove: ['x-remove'],
          },
          responseHeaders: { set: [], add: [], remove: ['server'] },
          redirect: null,
          rewrite: { hostname: 'new.example', path: { kind: 'prefix', prefix: '' } },
          mirrors: [
            { backend: backend('shadow'), numerator: 100, denominator: 100 },
            { backend: backend('shadow'), numerator: 0, denominator: 100 },
            { backend: backend('shadow'), numerator: 1, denominator: 1000 },
          ],
          cors: {
            allowOrigins: ['https://*.shop.example:8443'],
            allowCredentials: true,
            allowMethods: ['GET', 'PUT'],
            allowHeaders: ['x-a'],
            exposeHeaders: ['x-b'],
            maxAgeSeconds: 60,
          },
        },
        backends: [
          { backend: backend('web'), weight: 0, filters: NO_FILTERS },
          {
            backend: backend('far', { group: 'multicluster.x-k8s.io', kind: 'ServiceImport', namespace: 'other' }),
            weight: 1_000_000,
            filters: {
              ...NO_FILTERS,
              responseHeaders: { set: [{ name: 'x-far', value: '1' }], add: [], remove: [] },
            },
          },
        ],
        timeouts: { requestMs: 10_000, backendRequestMs: 2000 },
        retry: { codes: [500, 503], attempts: 3, backoffMs: 100 },
        session: { kind: 'cookie', name: 'cart', absoluteTimeoutMs: 3_600_000, permanent: true },
        fault: null,
      },
    ],
  });
});

test('parseObject reads GRPCRoute, TCPRoute and TLSRoute', () => {
  const match = { service: null, method: null, headers: [] };
  const exact = (value: string): Json => ({ kind: 'exact', value });
  assert.deepEqual(parsed('GRPCRoute', {}), { parents: [], hostnames: [], rules: [] });
  assert.deepEqual(
    parsed('GRPCRoute', {
      hostnames: ['a.example'],
      rules: [
        {},
        {
          matches: [
            { method: { service: 'shop.Cart', method: 'Add' }, headers: [{ name: 'Version', value: '2' }] },
            { method: { method: 'Add' } },
            { method: { type: 'RegularExpression', service: 'shop\\..*' } },
          ],
          filters: [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 's', port: 1 }, percent: 50 } }],
          sessionPersistence: { type: 'Header' },
        },
      ],
    }),
    {
      parents: [],
      hostnames: ['a.example'],
      rules: [
        { ...RULE, matches: [match] },
        {
          ...RULE,
          matches: [
            {
              service: exact('shop.Cart'),
              method: exact('Add'),
              headers: [{ name: 'version', value: exact('2') }],
            },
            { ...match, method: exact('Add') },
            { ...match, service: { kind: 'regex', source: 'shop\\..*' } },
          ],
          filters: {
            ...NO_FILTERS,
            mirrors: [{ backend: backend('s', { port: 1 }), numerator: 50, denominator: 100 }],
          },
          session: { kind: 'header', name: null, absoluteTimeoutMs: null, permanent: false },
        },
      ],
    },
  );
  const rules = [{ name: 'all', backendRefs: [{ name: 'db', port: 5432, weight: 3 }] }];
  const rule = {
    name: 'all',
    backends: [{ backend: backend('db', { port: 5432 }), weight: 3, filters: NO_FILTERS }],
  };
  assert.deepEqual(parsed('TCPRoute', { rules }), { parents: [], rule });
  assert.deepEqual(parsed('TLSRoute', { rules, hostnames: ['*.db.example'] }), {
    parents: [],
    hostnames: ['*.db.example'],
    rule,
  });
});
