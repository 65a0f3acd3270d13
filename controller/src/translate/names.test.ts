import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KubeService, type Namespace, parseObject, type Pod } from '@ambit/mesh/kinds';
import { parseTrustDomain } from '@ambit/mesh/model';
import { appProtocolOf } from './app-protocol.ts';
import { canonicalService } from './canonical-service.ts';
import type { MeshSettings } from './mesh-settings.ts';
import { networkOf } from './network-of.ts';
import { serviceFromService } from './service-from-service.ts';
import { workloadOwner } from './workload-owner.ts';

type Json = Readonly<Record<string, unknown>>;

const SETTINGS: MeshSettings = {
  clusterId: 'c',
  clusterDomain: 'cluster.local',
  trustDomain: parseTrustDomain('cluster.local'),
  rootNamespace: 'root',
  defaultNetwork: 'default-net',
  excludedNamespaces: [],
};

const NOTHING_AROUND = { namespace: undefined, gateway: (): undefined => undefined };
const NOTHING_AROUND_SERVICE = {
  ...NOTHING_AROUND,
  standsForImport: false,
  callers: new Map(),
  networks: [],
  identities: [],
};

function pod(metadata: Json): Pod {
  const object = parseObject({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'pod-x', ...metadata } });
  return object?.kind === 'Pod' ? object : assert.fail();
}

function service(spec: Json, labels: Json = {}, annotations: Json = {}): KubeService {
  const object = parseObject({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's', namespace: 'shop', labels, annotations },
    spec,
  });
  return object?.kind === 'Service' ? object : assert.fail();
}

function namespace(labels: Json): Namespace {
  const object = parseObject({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels } });
  return object?.kind === 'Namespace' ? object : assert.fail();
}

test('workloadOwner names what the author deployed', () => {
  const owned = (kind: string, name: string, labels: Json = {}): unknown => {
    const owner = workloadOwner(
      pod({
        labels,
        ownerReferences: [
          { kind: 'Node', name: 'n' },
          { kind, name, controller: true },
        ],
      }),
    );
    return [owner.name, owner.type];
  };
  assert.deepEqual(owned('ReplicaSet', 'web-7d9f', { 'pod-template-hash': '7d9f' }), ['web', 'deployment']);
  assert.deepEqual(owned('ReplicaSet', 'web-7d9f'), ['web-7d9f', 'pod']);
  assert.deepEqual(owned('ReplicaSet', 'web', { 'pod-template-hash': 'zzz' }), ['web', 'pod']);
  assert.deepEqual(owned('Deployment', 'web'), ['web', 'deployment']);
  assert.deepEqual(owned('Job', 'backup-28912345'), ['backup', 'cronjob']);
  assert.deepEqual(owned('Job', 'migrate-2'), ['migrate-2', 'job']);
  assert.deepEqual(owned('CronJob', 'backup'), ['backup', 'cronjob']);
  assert.deepEqual(owned('StatefulSet', 'db'), ['db', 'pod']);
  assert.deepEqual(workloadOwner(pod({ ownerReferences: [{ kind: 'ReplicaSet', name: 'not-the-controller' }] })), {
    name: 'pod-x',
    type: 'pod',
  });
});

test('canonicalService prefers the explicit labels over those of the app', () => {
  const of = (labels: Record<string, string>): unknown =>
    Object.values(canonicalService(new Map(Object.entries(labels)), 'workload'));
  assert.deepEqual(of({}), ['workload', 'latest']);
  assert.deepEqual(of({ app: 'a', version: 'v' }), ['a', 'v']);
  assert.deepEqual(of({ app: 'a', 'app.kubernetes.io/name': 'b', version: 'v', 'app.kubernetes.io/version': 'w' }), [
    'b',
    'w',
  ]);
  assert.deepEqual(
    of({ app: 'a', 'service.istio.io/canonical-name': 'c', 'service.istio.io/canonical-revision': 'r' }),
    ['c', 'r'],
  );
  assert.deepEqual(of({ app: '' }), ['workload', 'latest']);
});

test('appProtocolOf believes appProtocol first, then the name', () => {
  const cases: [appProtocol: string, name: string, expected: string][] = [
    ['', 'http', 'http1'],
    ['', 'http-admin', 'http1'],
    ['', 'HTTP2-x', 'http2'],
    ['', 'grpc', 'grpc'],
    ['', 'grpc-web', 'http1'],
    ['', 'https', 'tls'],
    ['', 'tcp-db', 'tcp'],
    ['', 'httpx', 'unknown'],
    ['', '', 'unknown'],
    ['kubernetes.io/h2c', 'tcp', 'http2'],
    ['mongo', 'http', 'unknown'],
  ];
  for (const [appProtocol, name, expected] of cases)
    assert.equal(appProtocolOf({ appProtocol, name }), expected, `${appProtocol} ${name}`);
});

test('networkOf prefers the node, then the namespace, then the default', () => {
  const node = parseObject({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n', labels: { 'ambit.dev/network': 'of-node' } },
  });
  const around = namespace({ 'ambit.dev/network': 'of-namespace' });
  assert.equal(networkOf(node?.kind === 'Node' ? node : undefined, around, SETTINGS), 'of-node');
  assert.equal(networkOf(undefined, around, SETTINGS), 'of-namespace');
  assert.equal(networkOf(undefined, undefined, SETTINGS), 'default-net');
});

test('serviceFromService maps traffic policies as the workload API has them', () => {
  const balance = (spec: Json): unknown =>
    serviceFromService(service(spec), NOTHING_AROUND_SERVICE, SETTINGS)?.loadBalancing;
  const healthPolicy = 'only-healthy';
  const cases: [Json, unknown][] = [
    [{}, undefined],
    [{ trafficDistribution: 'SomethingNew' }, undefined],
    [{ internalTrafficPolicy: 'Local' }, { mode: 'strict', routingPreference: ['node'], healthPolicy }],
    [
      { internalTrafficPolicy: 'Local', trafficDistribution: 'PreferClose' },
      { mode: 'strict', routingPreference: ['node'], healthPolicy },
    ],
    [
      { trafficDistribution: 'PreferClose' },
      { mode: 'failover', routingPreference: ['network', 'region', 'zone'], healthPolicy },
    ],
    [
      { trafficDistribution: 'PreferSameNode' },
      { mode: 'failover', routingPreference: ['network', 'region', 'zone', 'subzone', 'node'], healthPolicy },
    ],
    [{ publishNotReadyAddresses: true }, { mode: 'unspecified', routingPreference: [], healthPolicy: 'allow-all' }],
  ];
  for (const [spec, expected] of cases) assert.deepEqual(balance(spec), expected, JSON.stringify(spec));
});

test('serviceFromService says how waypoints choose among endpoints, and takes another word for none', () => {
  const chosen = (value?: string): unknown => {
    const object = service({}, {}, value === undefined ? {} : { 'ambit.dev/load-balancer': value });
    return serviceFromService(object, NOTHING_AROUND_SERVICE, SETTINGS)?.balanceBy;
  };
  const values = [undefined, 'least-request', 'round-robin', 'random', 'RANDOM', 'maglev', ''];
  assert.deepEqual(values.map(chosen), [
    undefined,
    'least-request',
    'round-robin',
    'random',
    undefined,
    undefined,
    undefined,
  ]);
});

test('serviceFromService leaves headless services without addresses and says their families', () => {
  const families = (spec: Json): unknown => {
    const result = serviceFromService(service(spec), NOTHING_AROUND_SERVICE, SETTINGS);
    return [result?.addresses.map(({ ip }) => ip), result?.ipFamilies];
  };
  assert.deepEqual(families({ clusterIP: 'None', ipFamilies: ['IPv4'] }), [[], 'ipv4-only']);
  assert.deepEqual(families({ clusterIPs: ['fd00::1'], ipFamilies: ['IPv6'] }), [['fd00::1'], 'ipv6-only']);
  assert.deepEqual(families({ clusterIP: '10.0.0.1' }), [['10.0.0.1'], 'automatic']);
});
