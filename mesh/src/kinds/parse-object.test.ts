import assert from 'node:assert/strict';
import { test } from 'node:test';
import { core, META } from '../testing/object-manifests.ts';
import type { Json } from '../testing/route-manifests.ts';
import type { MeshObject } from './objects.ts';
import { identifyObject, parseObject } from './parse-object.ts';

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

test('identifyObject tells which object a broken one would have been, if that can be told', () => {
  assert.deepEqual(identifyObject(core('Pod', { spec: 5 })), { kind: 'Pod', namespace: 'ns', name: 'a' });
  assert.deepEqual(identifyObject(core('Node', { spec: 5 })), { kind: 'Node', namespace: '', name: 'a' });
  for (const json of [core('Pod', {}, { name: 'A' }), core('Secret'), 5, null, {}])
    assert.equal(identifyObject(json), null);
});
