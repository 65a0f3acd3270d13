import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Json, routeManifest, versionRef } from '../testing/route-manifests.ts';
import { parseObject } from './parse-object.ts';
import { parseServiceVersion } from './service-version.ts';

/** The route without what every object has. */
function parsed(kind: string, spec: Json): Json {
  const object = parseObject(routeManifest(kind, spec));
  assert.ok(object !== null);
  const { kind: _kind, meta: _meta, ...rest } = object;
  return rest;
}

const SERVICE = { group: '', kind: 'Service', name: 'web' };
const NO_FILTERS = {
  requestHeaders: null,
  responseHeaders: null,
  redirect: null,
  rewrite: null,
  mirrors: [],
  cors: null,
};
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

test('parseServiceVersion() parts the name of a Service from its version', () => {
  const table: readonly (readonly [name: string, service: string, version: string])[] = [
    ['web.v2', 'web', 'v2'],
    ['web.1.2.3', 'web', '1.2.3'],
    ['my-web.A_b', 'my-web', 'A_b'],
  ];
  for (const [name, service, text] of table) {
    assert.deepEqual(parseServiceVersion(name), { service, version: text });
    const rules = [{ backendRefs: [versionRef(name)] }];
    const { name: kept } = pick(parsed('HTTPRoute', { rules }));
    assert.equal(kept, name);
  }
});

function pick(spec: Json): Json {
  const { rules } = spec as { readonly rules: readonly { readonly backends: readonly { readonly backend: Json }[] }[] };
  return rules[0]?.backends[0]?.backend ?? {};
}

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

test('parseObject reads redirects and lists that are only "*"', () => {
  const filters = (filter: Json): unknown => {
    const rules = parsed('HTTPRoute', { rules: [{ filters: [filter] }] })['rules'];
    return Array.isArray(rules) && rules[0]?.filters;
  };
  const redirect = (requestRedirect: Json): unknown => filters({ type: 'RequestRedirect', requestRedirect });
  const none = { scheme: null, hostname: null, path: null, port: null, statusCode: 302 };
  const table: readonly (readonly [found: unknown, expected: Json])[] = [
    [redirect({}), { redirect: none }],
    [
      redirect({ scheme: 'https', hostname: 'a.example', port: 8443, statusCode: 308 }),
      { redirect: { ...none, scheme: 'https', hostname: 'a.example', port: 8443, statusCode: 308 } },
    ],
    [
      redirect({ path: { type: 'ReplaceFullPath', replaceFullPath: '' } }),
      { redirect: { ...none, path: { kind: 'full', path: '/' } } },
    ],
    [
      redirect({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new/' } }),
      { redirect: { ...none, path: { kind: 'prefix', prefix: '/new' } } },
    ],
    [
      filters({
        type: 'CORS',
        cors: { allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], exposeHeaders: ['*', 'a'] },
      }),
      {
        cors: {
          allowOrigins: null,
          allowCredentials: false,
          allowMethods: null,
          allowHeaders: null,
          exposeHeaders: null,
          maxAgeSeconds: 5,
        },
      },
    ],
  ];
  for (const [found, expected] of table) assert.deepEqual(found, { ...NO_FILTERS, ...expected });
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

test('parseObject keeps a rule with something unknown, with its fault and what could be read of its matches', () => {
  const faultOf = (rule: Json, kind = 'HTTPRoute'): unknown => {
    const rules = parsed(kind, { rules: [rule] })['rules'];
    return Array.isArray(rules) && [rules[0].fault, rules[0].matches.length];
  };
  const unsupported = (message: string, matches = 1): unknown => [{ reason: 'UnsupportedValue', message }, matches];
  const filter = (type: string, more: Json = {}): Json => ({ filters: [{ type, ...more }] });
  const known = 'RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite, RequestMirror, CORS';
  const table: readonly (readonly [found: unknown, expected: unknown])[] = [
    [
      faultOf(filter('ExtensionRef', { extensionRef: { group: 'x.example', kind: 'Y', name: 'z' } })),
      unsupported(
        `spec.rules[0].filters[0].type "ExtensionRef" is not supported: no filter is known by reference; use ${known}`,
      ),
    ],
    [
      faultOf(filter('ExternalAuth', { externalAuth: {} })),
      unsupported(`spec.rules[0].filters[0].type "ExternalAuth" is not supported: this version knows ${known}`),
    ],
    [
      faultOf(filter('URLRewrite', { urlRewrite: {} }), 'GRPCRoute'),
      unsupported(
        'spec.rules[0].filters[0].type "URLRewrite" is not supported: this version knows RequestHeaderModifier, ResponseHeaderModifier, RequestMirror',
      ),
    ],
    [
      faultOf({ backendRefs: [{ name: 'web', port: 80, filters: [{ type: 'New' }] }] }),
      unsupported(`spec.rules[0].backendRefs[0].filters[0].type "New" is not supported: this version knows ${known}`),
    ],
    [
      faultOf({ matches: [{ path: { type: 'Glob', value: '/a' } }, { method: 'GET' }] }),
      unsupported(
        'spec.rules[0].matches[0].path.type "Glob" is not supported: this version knows Exact, PathPrefix, RegularExpression',
      ),
    ],
    [
      faultOf({ matches: [{ headers: [{ name: 'a', type: 'RegularExpression', value: '(a' }] }] }),
      unsupported(
        'spec.rules[0].matches[0].headers[0].value "(a" is not supported: an RE2 expression is expected: error parsing regexp: missing closing ): `(a`',
        0,
      ),
    ],
    [
      faultOf({ matches: [{ method: 'PURGE' }] }),
      unsupported(
        'spec.rules[0].matches[0].method "PURGE" is not supported: this version knows GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH',
        0,
      ),
    ],
    [
      faultOf({
        filters: [
          { type: 'CORS', cors: {} },
          { type: 'CORS', cors: {} },
        ],
      }),
      unsupported('spec.rules[0].filters[1].type "CORS" is not supported: only RequestMirror may be repeated'),
    ],
    [
      faultOf(filter('RequestRedirect', { requestRedirect: { statusCode: 418 } })),
      unsupported(
        'spec.rules[0].filters[0].requestRedirect.statusCode 418 is not supported: this version knows 301, 302, 303, 307, 308',
      ),
    ],
    [
      faultOf(filter('RequestHeaderModifier', { requestHeaderModifier: { set: [{ name: 'Host', value: 'a' }] } })),
      unsupported(
        'spec.rules[0].filters[0].requestHeaderModifier.set [{"name":"Host","value":"a"}] is not supported: a host is changed by URLRewrite',
      ),
    ],
    [
      faultOf(filter('ResponseHeaderModifier', { responseHeaderModifier: { remove: ['Content-Length'] } })),
      unsupported(
        'spec.rules[0].filters[0].responseHeaderModifier.remove ["Content-Length"] is not supported: content-length belongs to the connection',
      ),
    ],
    [
      faultOf(
        filter('RequestHeaderModifier', {
          requestHeaderModifier: { set: [{ name: 'a', value: 'b' }], remove: ['A'] },
        }),
      ),
      unsupported(
        'spec.rules[0].filters[0].requestHeaderModifier.set [{"name":"a","value":"b"}] is not supported: a may be named once in set, add and remove together',
      ),
    ],
    [
      faultOf(filter('URLRewrite', { urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '/a?b' } } })),
      unsupported(
        'spec.rules[0].filters[0].urlRewrite.path.replaceFullPath "/a?b" is not supported: a path begins with "/" and has neither query nor fragment',
      ),
    ],
    [
      faultOf({ retry: { attempts: 26 } }),
      unsupported('spec.rules[0].retry.attempts 26 is not supported: at most 25 are possible'),
    ],
    [
      faultOf({ sessionPersistence: { sessionName: 'a b' } }),
      unsupported(
        'spec.rules[0].sessionPersistence.sessionName "a b" is not supported: it becomes the name of a cookie or header, which has letters, digits and a few signs',
      ),
    ],
    [
      faultOf({
        filters: [
          { type: 'RequestRedirect', requestRedirect: {} },
          { type: 'URLRewrite', urlRewrite: {} },
        ],
      }),
      [
        { reason: 'IncompatibleFilters', message: 'spec.rules[0]: RequestRedirect and URLRewrite exclude each other' },
        1,
      ],
    ],
    [
      faultOf({
        matches: [{ path: { value: '/a' } }, { path: { value: '/b' } }],
        filters: [
          { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/c' } } },
        ],
      }),
      unsupported('spec.rules[0]: ReplacePrefixMatch needs exactly one match, of type PathPrefix', 2),
    ],
  ];
  for (const [found, expected] of table) assert.deepEqual(found, expected);
});
