import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { core } from '../testing/object-manifests.ts';
import type { Json } from '../testing/route-manifests.ts';
import { KindError } from './errors.ts';
import { parseObject } from './parse-object.ts';

test('parseObject names field, value and expectation of what it refuses', () => {
  const cases: [unknown, string][] = [
    [null, 'the document must be an object but is null'],
    [[], 'the document must be an object but is []'],
    [{ kind: 'Pod' }, 'apiVersion is missing: expected a text'],
    [
      core('Pod', {}, { name: 'A B' }),
      'metadata.name must be a name of lower-case letters, digits, "-" and ".", at most 253 long but is "A B"',
    ],
    [core('Pod', {}, { namespace: 'a/b' }), 'metadata.namespace must be a namespace name but is "a/b"'],
    [{ apiVersion: 'v1', kind: 'Pod' }, 'metadata is missing: expected an object with a name'],
    [core('Pod', {}, { labels: { a: 1 } }), 'metadata.labels.a must be a text but is 1'],
    [
      core('Pod', {}, { creationTimestamp: 'yesterday' }),
      'metadata.creationTimestamp must be an RFC 3339 time but is "yesterday"',
    ],
    [core('Pod', { spec: [] }), 'spec must be an object but is []'],
    [
      core('Pod', { spec: { serviceAccountName: 'a/b' } }),
      'spec.serviceAccountName must be the name of a service account but is "a/b"',
    ],
    [core('Pod', { spec: { containers: 5 } }), 'spec.containers must be a list of at most 10000 but is 5'],
    [
      core('Pod', { spec: { containers: [{}, { ports: [{ containerPort: 70000 }] }] } }),
      'spec.containers[1].ports[0].containerPort must be a whole number from 1 to 65535 but is 70000',
    ],
    [
      core('Pod', { status: { podIPs: [{ ip: '10.0.0.256' }] } }),
      'status.podIPs[0].ip must be an IPv4 or IPv6 address but is "10.0.0.256"',
    ],
    [
      core('Pod', { status: { phase: 'Runing' } }),
      'status.phase must be one of Pending, Running, Succeeded, Failed, Unknown but is "Runing" (did you mean Running?)',
    ],
    [
      core('Pod', { spec: { nodename: 'n1' } }),
      'spec.nodename is not a known field (did you mean nodeName?): expected nodeName',
    ],
    [
      core('Pod', { spec: { serviceAccountname: 'web', serviceAccount: 'web' } }),
      'spec.serviceAccountname is not a known field (did you mean serviceAccountName?): expected serviceAccountName',
    ],
    [
      core('Pod', { status: { podIp: '10.0.0.1' } }),
      'status.podIp is not a known field (did you mean podIP?): expected podIP',
    ],
    [
      core('Service', { spec: { Selector: { app: 'a' } } }),
      'spec.Selector is not a known field (did you mean selector?): expected selector',
    ],
    [
      core('Service', { spec: { ports: [{ port: 80, targetport: 8080 }] } }),
      'spec.ports[0].targetport is not a known field (did you mean targetPort?): expected targetPort',
    ],
    [core('Service', { spec: { clusterIP: 'x' } }), 'spec.clusterIP must be IP addresses, or None but is "x"'],
    [core('Service'), 'spec is missing: expected an object with ports'],
  ];
  for (const [json, message] of cases) {
    assert.throws(
      () => parseObject(json),
      (error) => error instanceof KindError && error.message === message,
      message,
    );
  }
});

test('every field that parsePod and parseService look for is refused in another case', () => {
  const places: readonly (readonly [place: string, of: (inner: object) => Json])[] = [
    ['spec of a Pod', (spec) => core('Pod', { spec })],
    ['status of a Pod', (status) => core('Pod', { status })],
    ['spec of a Service', (spec) => core('Service', { spec })],
    ['port', (port) => core('Service', { spec: { ports: [port] } })],
  ];
  for (const [place, of] of places) {
    const looked = new Set<string>();
    const getOwnPropertyDescriptor = (target: object, name: PropertyKey): PropertyDescriptor | undefined => {
      looked.add(String(name));
      return Reflect.getOwnPropertyDescriptor(target, name);
    };
    const inner = place === 'port' ? { port: 80 } : {};
    parseObject(of(new Proxy(inner, { getOwnPropertyDescriptor })));
    assert.ok(looked.size > 3, `${place}: ${[...looked].join()}`);
    for (const name of looked) {
      const other = of({ ...inner, [name.toUpperCase()]: 1 });
      assert.throws(
        () => parseObject(other),
        (error) => error instanceof KindError && error.code === 'unknown-field' && error.detail.hint === name,
        `${place}: ${name}`,
      );
    }
  }
});

test('parseObject refuses misspelt kinds and unknown versions of the own group, which nobody else would read', () => {
  const of = (kind: string, apiVersion: string): Json => ({ apiVersion, kind, metadata: { name: 'a' } });
  assert.throws(
    () => parseObject(of('AccesPolicy', 'ambit.dev/v1alpha1')),
    /kind must be one of AccessPolicy, .*did you mean AccessPolicy\?/,
  );
  assert.throws(
    () => parseObject(of('AccessPolicy', 'ambit.dev/v1')),
    /apiVersion must be ambit\.dev\/v1alpha1 but is "ambit\.dev\/v1"/,
  );
  assert.throws(() => parseObject(of('Pod', 'ambit.dev/v1alpha1')), /kind must be one of/);
});

test('parseObject gives an object, null or KindError for any JSON, and nothing else', () => {
  const kinds = ['Pod', 'Service', 'EndpointSlice', 'AccessPolicy', 'MutualTLSPolicy', 'ExternalWorkload', 'Namespace'];
  const names = [
    'name',
    'namespace',
    'labels',
    'ports',
    'port',
    'rules',
    'from',
    'to',
    'action',
    'selector',
    'matchLabels',
    'addresses',
    'ip',
    'podIPs',
    '__proto__',
  ];
  const tree = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('Allow', 'Strict', 'a', '10.0.0.1', '*', ''),
      fc.integer({ min: -1, max: 70_000 }),
      fc.constantFrom(null, true),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie('node'), { maxKeys: 5 }),
    ),
  })).node;
  const object = fc.record({
    apiVersion: fc.constantFrom('v1', 'ambit.dev/v1alpha1', 'discovery.k8s.io/v1'),
    kind: fc.constantFrom(...kinds),
    metadata: fc.oneof(fc.constant({ name: 'a' }), tree),
    spec: tree,
    status: tree,
    addressType: fc.constant('IPv4'),
    endpoints: tree,
    ports: tree,
  });
  fc.assert(
    fc.property(object, (json) => {
      try {
        parseObject(json);
      } catch (error) {
        assert.ok(error instanceof KindError, String(error));
      }
    }),
    { seed: 7, numRuns: 2000 },
  );
});

test('parseObject refuses a namespace or pod whose enrolment label says neither yes nor no', () => {
  const labels = { 'ambit.dev/mode': 'ambiant' };
  for (const kind of ['Namespace', 'Pod']) {
    assert.throws(
      () => parseObject(core(kind, {}, { labels })),
      (error) => {
        assert.ok(error instanceof KindError);
        assert.deepEqual(error.detail, {
          field: 'metadata.labels.ambit.dev/mode',
          value: '"ambiant"',
          expected: 'one of ambient, none',
          hint: 'ambient',
        });
        return true;
      },
    );
    for (const mode of ['ambient', 'none']) {
      assert.equal(parseObject(core(kind, {}, { labels: { 'ambit.dev/mode': mode } }))?.kind, kind);
    }
  }
});
