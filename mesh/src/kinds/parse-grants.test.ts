import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomOf } from '../testing/random.ts';
import { KindError } from './errors.ts';
import { selects } from './parse-label-selector.ts';
import { parseObject } from './parse-object.ts';

type Json = Readonly<Record<string, unknown>>;

function object(kind: string, spec: unknown, apiVersion = 'gateway.networking.k8s.io/v1'): Json {
  return { apiVersion, kind, metadata: { name: 'x', namespace: 'shop' }, spec };
}

function parsed(json: Json): Json {
  const result = parseObject(json);
  assert.ok(result !== null);
  const { kind: _kind, meta: _meta, ...rest } = result;
  return rest;
}

test('parseObject reads ReferenceGrant, also of the version that clusters store', () => {
  const spec = {
    from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'web' }],
    to: [
      { group: '', kind: 'Service' },
      { group: '', kind: 'Secret', name: 'key' },
    ],
  };
  const expected = { from: spec.from, to: [{ group: '', kind: 'Service', name: null }, spec.to[1]] };
  assert.deepEqual(parsed(object('ReferenceGrant', spec)), expected);
  assert.deepEqual(parsed(object('ReferenceGrant', spec, 'gateway.networking.k8s.io/v1beta1')), expected);
});

test('parseObject reads BackendTLSPolicy and ServiceImport', () => {
  const target = { group: '', kind: 'Service', name: 'web' };
  assert.deepEqual(
    parsed(
      object('BackendTLSPolicy', {
        targetRefs: [
          { ...target, sectionName: 'a' },
          { ...target, sectionName: 'b' },
        ],
        validation: {
          caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }],
          hostname: 'web.example',
          subjectAltNames: [
            { type: 'Hostname', hostname: '*.example' },
            { type: 'URI', uri: 'spiffe://td/ns/a/sa/b' },
          ],
        },
        options: { 'x.example/o': 'v' },
      }),
    ),
    {
      targets: [
        { ...target, sectionName: 'a' },
        { ...target, sectionName: 'b' },
      ],
      validation: {
        kind: 'known',
        roots: { kind: 'refs', refs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] },
        hostname: 'web.example',
        subjectAltNames: [
          { kind: 'hostname', hostname: '*.example' },
          { kind: 'uri', uri: 'spiffe://td/ns/a/sa/b' },
        ],
      },
    },
  );
  const system = { hostname: 'a', wellKnownCACertificates: 'System' };
  assert.deepEqual(parsed(object('BackendTLSPolicy', { targetRefs: [target], validation: system })), {
    targets: [{ ...target, sectionName: null }],
    validation: { kind: 'known', roots: { kind: 'system' }, hostname: 'a', subjectAltNames: [] },
  });
  const imported = {
    type: 'ClusterSetIP',
    ips: ['10.42.0.1'],
    ports: [{ name: 'http', port: 80, appProtocol: 'h2c' }],
  };
  assert.deepEqual(parsed(object('ServiceImport', imported, 'multicluster.x-k8s.io/v1alpha1')), {
    headless: false,
    ips: ['10.42.0.1'],
    ports: [{ name: 'http', port: 80, protocol: 'TCP', appProtocol: 'h2c' }],
  });
});

test('parseObject refuses grants and policies that could be wider than meant', () => {
  const from = [{ group: '', kind: 'A', namespace: 'a' }];
  const to = [{ group: '', kind: 'Service' }];
  const grant = (spec: Json): Json => object('ReferenceGrant', spec);
  const target = { group: '', kind: 'Service', name: 'web' };
  const tls = (validation: Json, targetRefs: readonly Json[] = [target]): Json =>
    object('BackendTLSPolicy', {
      targetRefs,
      validation: { hostname: 'a', wellKnownCACertificates: 'System', ...validation },
    });
  const table: readonly (readonly [json: Json, message: string])[] = [
    [grant({ from }), 'spec.to is missing: expected a list with at least one entry'],
    [grant({ from: [], to }), 'spec.from must be a list with at least one entry but is []'],
    [
      grant({ from, to: [{ group: '', kind: 'Service', names: ['a'] }] }),
      'spec.to[0].names is not a known field (did you mean name?)',
    ],
    [grant({ from: [{ group: '', kind: 'A' }], to }), 'spec.from[0].namespace is missing'],
    [grant({ from: [{ kind: 'A', namespace: 'a' }], to }), 'spec.from[0].group is missing'],
    [tls({}, []), 'spec.targetRefs must be a list with at least one target'],
    [
      tls({}, [target, target]),
      'spec.targetRefs must be a list whose references to one object all differ in sectionName',
    ],
    [tls({ hostname: undefined }), 'spec.validation.hostname is missing'],
    [tls({ wellKnownCACertificates: undefined }), 'spec.validation.caCertificateRefs is missing'],
    [
      tls({ caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'a' }] }),
      'spec.validation.wellKnownCACertificates must be absent beside caCertificateRefs',
    ],
    [
      tls({ subjectAltNames: [{ type: 'URI', uri: 'a' }] }),
      'spec.validation.subjectAltNames[0].uri must be an absolute URI',
    ],
    [
      tls({ subjectAltNames: [{ type: 'URI', uri: 'a://b', hostname: 'c' }] }),
      'spec.validation.subjectAltNames[0].hostname must be absent, for type URI',
    ],
    [
      tls({ subjectAltNames: [{ type: 'Hostname', hostname: 'a', uri: 'b://c' }] }),
      'spec.validation.subjectAltNames[0].uri must be absent, for type Hostname',
    ],
  ];
  for (const [json, message] of table) {
    assert.throws(
      () => parseObject(json),
      (error) => {
        assert.ok(error instanceof KindError, String(error));
        assert.ok(error.message.startsWith(message), `${error.message}\nis not\n${message}`);
        return true;
      },
    );
  }
});

function selected(selector: Json, labels: Readonly<Record<string, string>>): boolean {
  const listener = {
    name: 'a',
    port: 80,
    protocol: 'HTTP',
    allowedRoutes: { namespaces: { from: 'Selector', selector } },
  };
  const gateway = parseObject(object('Gateway', { gatewayClassName: 'c', listeners: [listener] }));
  const from = gateway?.kind === 'Gateway' ? gateway.listeners[0]?.allowedRoutes.from : undefined;
  assert.ok(from?.kind === 'selector');
  return selects(from.selector, new Map(Object.entries(labels)));
}

test('parseObject takes a policy that asks for what this version does not know, with its fault', () => {
  const target = { group: '', kind: 'Service', name: 'web' };
  const validation = { hostname: 'a', wellKnownCACertificates: 'System' };
  const table: readonly (readonly [spec: Json, message: string])[] = [
    [
      { validation: { ...validation, wellKnownCACertificates: 'x.example/Roots' } },
      'spec.validation.wellKnownCACertificates "x.example/Roots" is not supported: this version knows System',
    ],
    [{ validation: { ...validation, crl: 'a' } }, 'spec.validation.crl is not a known field: '],
    [{ validation, minTls: '1.3' }, 'spec.minTls is not a known field: '],
    [
      { validation, options: { 'ambit.dev/a': 'b' } },
      'spec.options.ambit.dev/a "b" is not supported: there is no such option',
    ],
  ];
  for (const [spec, message] of table) {
    const policy = parseObject(object('BackendTLSPolicy', { targetRefs: [target], ...spec }));
    assert.ok(policy?.kind === 'BackendTLSPolicy' && policy.validation.kind === 'fault', message);
    assert.ok(policy.validation.message.startsWith(message), policy.validation.message);
  }
});

test('selects() knows labels and expressions', () => {
  const expression = (operator: string, values?: readonly string[]): Json => ({
    matchExpressions: [{ key: 'a', operator, values }],
  });
  const table: readonly (readonly [selector: Json, labels: Readonly<Record<string, string>>, expected: boolean])[] = [
    [{}, {}, true],
    [{ matchLabels: { a: 'b' } }, { a: 'b', c: 'd' }, true],
    [{ matchLabels: { a: 'b' } }, { a: 'c' }, false],
    [expression('In', ['x', 'y']), { a: 'y' }, true],
    [expression('In', ['x', 'y']), {}, false],
    [expression('NotIn', ['x']), {}, true],
    [expression('NotIn', ['x']), { a: 'x' }, false],
    [expression('Exists'), { a: '' }, true],
    [expression('Exists'), {}, false],
    [expression('DoesNotExist'), {}, true],
    [expression('DoesNotExist'), { a: 'x' }, false],
    [{ matchLabels: { a: 'x' }, ...expression('NotIn', ['x']) }, { a: 'x' }, false],
  ];
  for (const [selector, labels, expected] of table) {
    assert.equal(selected(selector, labels), expected, JSON.stringify([selector, labels]));
  }
  assert.throws(() => selected(expression('In'), {}), /values is missing: expected a list with at least one value/);
  assert.throws(() => selected(expression('Exists', ['a']), {}), /values must be absent, for operator Exists/);
});

const WORDS: readonly unknown[] = [
  null,
  true,
  '',
  'a',
  '/a',
  '*',
  'Exact',
  'RegularExpression',
  '(a',
  'CORS',
  'RequestRedirect',
  'ReplacePrefixMatch',
  'Service',
  '1s',
  -1,
  0,
  1,
  65_536,
  [],
  {},
  [{}],
  ['a', 'a'],
  '__proto__',
];

/** A copy with some of its values, deep inside, replaced, removed or doubled. */
function mutated(value: unknown, random: () => number): unknown {
  if (random() < 0.04) return WORDS[Math.floor(random() * WORDS.length)];
  if (Array.isArray(value)) {
    const items = value.map((item) => mutated(item, random));
    return random() < 0.05 ? [...items, ...items] : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(() => random() > 0.02);
  return Object.fromEntries(entries.map(([key, inner]) => [random() < 0.01 ? `${key}s` : key, mutated(inner, random)]));
}

test('parseObject gives an object or KindError for whatever is done to a route, and nothing else', () => {
  const backend = { name: 'web', port: 80, weight: 1, filters: [] };
  const header = { name: 'x-a', value: 'b' };
  const rule = {
    name: 'a',
    matches: [
      {
        path: { type: 'PathPrefix', value: '/a' },
        headers: [{ type: 'RegularExpression', ...header }],
        queryParams: [{ type: 'Exact', ...header }],
        method: 'GET',
      },
    ],
    filters: [
      {
        type: 'RequestHeaderModifier',
        requestHeaderModifier: { set: [header], add: [{ name: 'b', value: 'c' }], remove: ['d'] },
      },
      {
        type: 'URLRewrite',
        urlRewrite: { hostname: 'a.b', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } },
      },
      {
        type: 'RequestMirror',
        requestMirror: { backendRef: { name: 'm', port: 1 }, fraction: { numerator: 1, denominator: 2 } },
      },
      { type: 'CORS', cors: { allowOrigins: ['http://a'], allowMethods: ['GET'], allowHeaders: ['a'], maxAge: 5 } },
    ],
    backendRefs: [backend],
    timeouts: { request: '2s', backendRequest: '1s' },
    retry: { codes: [500], attempts: 1, backoff: '1ms' },
    sessionPersistence: {
      sessionName: 's',
      type: 'Cookie',
      absoluteTimeout: '1s',
      cookieConfig: { lifetimeType: 'Permanent' },
    },
  };
  const parentRefs = [{ group: '', kind: 'Service', name: 'web', port: 80 }];
  const bases = [
    object('HTTPRoute', { parentRefs, hostnames: ['*.a'], rules: [rule] }),
    object('GRPCRoute', {
      parentRefs,
      rules: [
        {
          matches: [{ method: { type: 'Exact', service: 'a.B', method: 'C' }, headers: [header] }],
          backendRefs: [backend],
        },
      ],
    }),
    object('TLSRoute', { parentRefs, hostnames: ['a'], rules: [{ backendRefs: [{ name: 'web', port: 80 }] }] }),
    object('ReferenceGrant', {
      from: [{ group: '', kind: 'A', namespace: 'a' }],
      to: [{ group: '', kind: 'B', name: 'c' }],
    }),
  ];
  const random = randomOf(20_261_126);
  const seen = { read: 0, refused: 0 };
  for (let round = 0; round < 4000; round++) {
    const base = bases[round % bases.length] ?? {};
    try {
      parseObject({ ...base, spec: mutated(base['spec'], random) });
      seen.read++;
    } catch (error) {
      assert.ok(error instanceof KindError, String(error));
      seen.refused++;
    }
  }
  assert.ok(seen.read > 500 && seen.refused > 500, JSON.stringify(seen));
});
