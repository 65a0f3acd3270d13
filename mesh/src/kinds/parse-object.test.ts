import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIpAddress } from '../model/address.ts';
import { KindError } from './errors.ts';
import type { MeshObject } from './objects.ts';
import { identifyObject, parseObject } from './parse-object.ts';

type Json = Readonly<Record<string, unknown>>;

function core(kind: string, rest: Json = {}, metadata: Json = {}): Json {
  return { apiVersion: 'v1', kind, metadata: { name: 'a', namespace: 'ns', ...metadata }, ...rest };
}

const META = {
  name: 'a',
  namespace: 'ns',
  uid: '',
  labels: new Map(),
  annotations: new Map(),
  creationTimestampMs: 0,
  generation: 0,
};

test('parseObject reads the fields it needs of every Kubernetes kind and leaves the others alone', () => {
  const cases: [string, Json, MeshObject][] = [
    [
      'Namespace, whose own namespace does not count',
      core(
        'Namespace',
        { spec: { finalizers: [] } },
        { labels: { a: 'b' }, uid: 'u', creationTimestamp: '2026-01-02T03:04:05Z' },
      ),
      {
        kind: 'Namespace',
        meta: { ...META, namespace: '', uid: 'u', labels: new Map([['a', 'b']]), creationTimestampMs: 1767323045000 },
      },
    ],
    [
      'Node',
      core('Node', { status: { anything: 1 } }),
      { kind: 'Node', meta: { ...META, namespace: '' }, addresses: [], podCidrs: [] },
    ],
    ['ServiceAccount', core('ServiceAccount', { secrets: [{}] }), { kind: 'ServiceAccount', meta: META }],
    [
      'Pod as it is created',
      core('Pod', { spec: { containers: [{ name: 'c', image: 'i' }] } }, { namespace: null, generateName: 'a-' }),
      {
        kind: 'Pod',
        meta: { ...META, namespace: 'default', ownerReferences: [], generateName: 'a-', deleting: false },
        nodeName: '',
        serviceAccountName: 'default',
        hostNetwork: false,
        containerPorts: [],
        podIps: [],
        phase: 'Pending',
        ready: false,
        probes: [],
        captureRisks: ['default-NET_RAW'],
      },
    ],
    [
      'Pod as it runs and is deleted',
      core(
        'Pod',
        {
          spec: {
            nodeName: 'n',
            serviceAccountName: 'sa',
            hostNetwork: true,
            containers: [{ name: 'c', ports: [{ containerPort: 80, name: 'http' }] }],
            initContainers: [{ name: 's', ports: [{ containerPort: 53, protocol: 'UDP' }] }],
          },
          status: {
            phase: 'Running',
            podIP: '10.0.0.1',
            podIPs: [{ ip: '10.0.0.1' }, { ip: 'FD00::1' }],
            conditions: [
              { type: 'Initialized', status: 'True' },
              { type: 'Ready', status: 'False' },
            ],
          },
        },
        {
          deletionTimestamp: '2026-01-02T03:04:05Z',
          ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', controller: true, uid: 'x' }],
        },
      ),
      {
        kind: 'Pod',
        meta: {
          ...META,
          ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', controller: true }],
          generateName: '',
          deleting: true,
        },
        nodeName: 'n',
        serviceAccountName: 'sa',
        hostNetwork: true,
        containerPorts: [
          { name: 'http', port: 80, protocol: 'TCP' },
          { name: '', port: 53, protocol: 'UDP' },
        ],
        podIps: ['10.0.0.1', 'fd00::1'] as never,
        phase: 'Running',
        ready: false,
        probes: [],
        captureRisks: ['default-NET_RAW'],
      },
    ],
    [
      'headless Service',
      core('Service', {
        spec: {
          clusterIP: 'None',
          selector: { a: 'b' },
          ports: [{ port: 80 }, { port: 81, targetPort: 'http', appProtocol: 'h2c' }],
        },
      }),
      {
        kind: 'Service',
        meta: META,
        type: 'ClusterIP',
        clusterIps: [],
        headless: true,
        selector: new Map([['a', 'b']]),
        ports: [
          { name: '', port: 80, targetPort: 80, protocol: 'TCP', appProtocol: '' },
          { name: '', port: 81, targetPort: 'http', protocol: 'TCP', appProtocol: 'h2c' },
        ],
        publishNotReadyAddresses: false,
        internalTrafficPolicy: 'Cluster',
        trafficDistribution: '',
        ipFamilies: [],
      },
    ],
    [
      'EndpointSlice',
      {
        ...core(
          'EndpointSlice',
          {
            addressType: 'IPv4',
            endpoints: [
              {
                addresses: ['10.0.0.1'],
                conditions: { ready: null, terminating: true },
                targetRef: { kind: 'Pod', name: 'p' },
              },
            ],
            ports: [{ name: 'http', port: 80 }],
          },
          { labels: { 'kubernetes.io/service-name': 'svc' } },
        ),
        apiVersion: 'discovery.k8s.io/v1',
      },
      {
        kind: 'EndpointSlice',
        meta: { ...META, labels: new Map([['kubernetes.io/service-name', 'svc']]) },
        serviceName: 'svc',
        endpoints: [
          {
            addresses: ['10.0.0.1'] as never,
            ready: true,
            targetRef: { kind: 'Pod', namespace: 'ns', name: 'p' },
          },
        ],
        ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      },
    ],
  ];
  for (const [what, json, expected] of cases) assert.deepEqual(parseObject(json), expected, what);
});

function gateway(spec: Json, status?: Json): Json {
  const meta = { name: 'waypoint', namespace: 'ns', labels: { 'ambit.dev/waypoint-for': 'service' } };
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: meta, spec, status };
}

test('parseObject reads what a reference to a Gateway needs, whoever runs it', () => {
  const listeners = [
    { name: 'mesh', port: 15_008, protocol: 'ambit.dev/HBONE', allowedRoutes: {} },
    {
      name: 'web',
      port: 443,
      protocol: 'HTTPS',
      hostname: '*.shop.example',
      tls: {},
      allowedRoutes: { kinds: [{ kind: 'HTTPRoute' }], namespaces: { from: 'All' } },
    },
  ];
  const addresses = [
    { value: '10.0.0.7' },
    { type: 'Hostname', value: 'gateway.example' },
    { type: 'IPAddress', value: 'FD00::7' },
    { type: 'IPAddress' },
    { type: 'example.com/named', value: 'static-1' },
  ];
  const labels = new Map([['ambit.dev/waypoint-for', 'service']]);
  const expected: MeshObject = {
    kind: 'Gateway',
    meta: { ...META, name: 'waypoint', labels },
    className: 'ambit-waypoint',
    listeners: [
      {
        name: 'mesh',
        port: 15_008,
        protocol: 'ambit.dev/HBONE',
        hostname: null,
        tlsMode: null,
        allowedRoutes: { from: { kind: 'same' }, kinds: null },
      },
      {
        name: 'web',
        port: 443,
        protocol: 'HTTPS',
        hostname: '*.shop.example',
        tlsMode: 'Terminate',
        allowedRoutes: { from: { kind: 'all' }, kinds: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute' }] },
      },
    ],
    infrastructure: {
      labels: new Map([['team', 'shop']]),
      annotations: new Map([['note', 'any text']]),
      parametersRef: { group: '', kind: 'ConfigMap', name: 'larger' },
    },
    requestedAddresses: [],
    unserved: [],
    addresses: [
      { kind: 'ip', ip: parseIpAddress('10.0.0.7') },
      { kind: 'hostname', hostname: 'gateway.example' },
      { kind: 'ip', ip: parseIpAddress('fd00::7') },
    ],
  };
  const infrastructure = {
    labels: { team: 'shop' },
    annotations: { note: 'any text' },
    parametersRef: { group: '', kind: 'ConfigMap', name: 'larger' },
  };
  const none = { allowedListeners: { namespaces: { from: 'None' } }, defaultScope: 'None' };
  const full = gateway({ gatewayClassName: 'ambit-waypoint', listeners, infrastructure, ...none }, { addresses });
  assert.deepEqual(parseObject(full), expected);
  const bare = gateway({
    gatewayClassName: 'ambit-waypoint',
    addresses: [{ value: '10.0.0.7' }],
    tls: {},
    defaultScope: 'All',
  });
  assert.deepEqual(parseObject(bare), {
    ...expected,
    listeners: [],
    infrastructure: { labels: new Map(), annotations: new Map(), parametersRef: null },
    requestedAddresses: [{ kind: 'ip', ip: parseIpAddress('10.0.0.7') }],
    unserved: ['tls', 'defaultScope'],
    addresses: [],
  });
  const refused: readonly [Json, RegExp][] = [
    [{}, /spec\.gatewayClassName is missing/],
    [{ gatewayClassName: 'Not A Name' }, /spec\.gatewayClassName must be a name/],
    [{ gatewayClassName: 'x', listeners: [{ name: 'a', protocol: 'TCP', port: 0 }] }, /spec\.listeners\[0\]\.port/],
    [{ gatewayClassName: 'x', listeners: [{ name: 'a', port: 1 }] }, /spec\.listeners\[0\]\.protocol is missing/],
    [
      { gatewayClassName: 'x', infrastructure: { labels: { a: 'not a label' } } },
      /spec\.infrastructure\.labels\.a must be/,
    ],
    [
      { gatewayClassName: 'x', infrastructure: { parametersRef: { group: '', kind: 'ConfigMap' } } },
      /spec\.infrastructure\.parametersRef\.name is missing/,
    ],
    [{ gatewayClassName: 'x', addresses: [{ value: 'ten' }] }, /spec\.addresses\[0\]\.value must be an IPv4 or IPv6/],
    [{ gatewayClassName: 'x', addresses: [{ type: 'Hostname', value: '-' }] }, /value must be a host name/],
  ];
  for (const [spec, message] of refused) {
    assert.throws(
      () => parseObject(gateway(spec)),
      (error: unknown) => error instanceof KindError && message.test(error.message),
    );
  }
  assert.equal(parseObject({ ...gateway({}), apiVersion: 'gateway.networking.k8s.io/v1alpha2' }), null);
});

test('parseObject takes a hand-written pod with an address and nothing else as running and ready', () => {
  const pod = parseObject(core('Pod', { status: { podIP: '10.0.0.1' } }));
  assert.deepEqual(pod?.kind === 'Pod' && [pod.phase, pod.ready, pod.podIps], ['Running', true, ['10.0.0.1']]);
});

test('parseObject ignores kinds of others, whatever they hold', () => {
  for (const json of [
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata: 5 },
    { apiVersion: 'v1', kind: 'Secret' },
    { apiVersion: 'extensions/v1beta1', kind: 'Pod', metadata: { name: 'UPPER' } },
  ]) {
    assert.equal(parseObject(json), null);
  }
});

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

test('identifyObject tells which object a broken one would have been, if that can be told', () => {
  assert.deepEqual(identifyObject(core('Pod', { spec: 5 })), { kind: 'Pod', namespace: 'ns', name: 'a' });
  assert.deepEqual(identifyObject(core('Node', { spec: 5 })), { kind: 'Node', namespace: '', name: 'a' });
  for (const json of [core('Pod', {}, { name: 'A' }), core('Secret'), 5, null, {}])
    assert.equal(identifyObject(json), null);
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
