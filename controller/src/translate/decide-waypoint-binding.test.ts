import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Gateway, type Namespace, type ObjectMeta, parseObject } from '@ambit/mesh/kinds';
import { parseTrustDomain } from '@ambit/mesh/model';
import { decideWaypointBinding, waypointRefOf } from './decide-waypoint-binding.ts';

type Json = Readonly<Record<string, unknown>>;

const NAME = 'ambit.dev/waypoint';
const HOME = 'ambit.dev/waypoint-namespace';
const FOR = 'ambit.dev/waypoint-for';
const WP = { namespace: 'shop', name: 'wp' };
const INFRA = { namespace: 'infra', name: 'wp' };
const GATEWAY_LABELS = {
  'gateway.networking.k8s.io/gateway-name': 'wp',
  'gateway.networking.k8s.io/gateway-class-name': 'ambit-waypoint',
};

function namespace(labels: Json): Namespace {
  const object = parseObject({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels } });
  return object?.kind === 'Namespace' ? object : assert.fail();
}

function metaOf(labels: Json): ObjectMeta {
  const metadata = { name: 'web', namespace: 'shop', labels };
  const object = parseObject({ apiVersion: 'v1', kind: 'Service', metadata, spec: {} });
  return object?.meta ?? assert.fail();
}

function gateway(home: string, { labels = {}, from, className = 'ambit-waypoint' }: Json): Gateway {
  const allowedRoutes = from === undefined ? {} : { namespaces: from };
  const object = parseObject({
    ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway' },
    metadata: { name: 'wp', namespace: home, labels },
    spec: {
      gatewayClassName: className,
      listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE', allowedRoutes }],
    },
  });
  return object?.kind === 'Gateway' ? object : assert.fail();
}

interface Row {
  readonly is: string;
  readonly own?: Json;
  readonly around?: Json;
  readonly gateways?: readonly Gateway[];
  readonly service: unknown;
  /** The same unless it is given. */
  readonly workload?: unknown;
}

const fromAll = { from: 'All' };
const selected = (labels: Json): Json => ({ from: 'Selector', selector: { matchLabels: labels } });
const bound = (waypoint: unknown, fault: string | null = null): unknown => ({ kind: 'bound', waypoint, fault });
const none = (reason: string): unknown => ({ kind: 'none', reason });
const notCovered = (waypoint: unknown): unknown => ({ kind: 'not-covered', waypoint });

const ROWS: readonly Row[] = [
  { is: 'nothing is said', service: none('not-labelled') },
  { is: 'an empty label says nothing', own: { [NAME]: '' }, service: none('not-labelled') },
  {
    is: 'the namespace names one that is missing',
    around: { [NAME]: 'wp' },
    service: bound(WP, 'missing'),
    workload: notCovered(WP),
  },
  { is: 'the object names one that is missing', own: { [NAME]: 'wp' }, service: bound(WP, 'missing') },
  {
    is: 'the object wins over its namespace',
    own: { [NAME]: 'other' },
    around: { [NAME]: 'wp', [HOME]: 'infra' },
    service: bound({ namespace: 'shop', name: 'other' }, 'missing'),
  },
  { is: 'the object wants none', own: { [NAME]: 'none' }, around: { [NAME]: 'wp' }, service: none('opted-out') },
  { is: 'the namespace wants none', around: { [NAME]: 'none' }, service: none('opted-out') },
  { is: 'it is part of a waypoint', own: GATEWAY_LABELS, around: { [NAME]: 'wp' }, service: none('own-waypoint') },
  {
    is: 'it is part of a Gateway of another class',
    own: { ...GATEWAY_LABELS, 'gateway.networking.k8s.io/gateway-class-name': 'other' },
    around: { [NAME]: 'wp' },
    gateways: [gateway('shop', { labels: { [FOR]: 'all' } })],
    service: bound(WP),
  },
  {
    is: 'a waypoint is for services unless it says otherwise',
    own: { [NAME]: 'wp' },
    gateways: [gateway('shop', {})],
    service: bound(WP),
    workload: notCovered(WP),
  },
  {
    is: 'one for workloads',
    own: { [NAME]: 'wp' },
    gateways: [gateway('shop', { labels: { [FOR]: 'workload' } })],
    service: notCovered(WP),
    workload: bound(WP),
  },
  {
    is: 'one for all',
    around: { [NAME]: 'wp' },
    gateways: [gateway('shop', { labels: { [FOR]: 'all' } })],
    service: bound(WP),
  },
  {
    is: 'one for nothing',
    own: { [NAME]: 'wp' },
    gateways: [gateway('shop', { labels: { [FOR]: 'none' } })],
    service: notCovered(WP),
  },
  {
    is: 'one for a word that nobody knows is for everything',
    own: { [NAME]: 'wp' },
    gateways: [gateway('shop', { labels: { [FOR]: 'servce' } })],
    service: bound(WP),
  },
  {
    is: 'a Gateway of another class',
    own: { [NAME]: 'wp' },
    gateways: [gateway('shop', { className: 'nginx' })],
    service: bound(WP, 'wrong-class'),
  },
  {
    is: 'one of another namespace that takes its own only',
    own: { [NAME]: 'wp', [HOME]: 'infra' },
    gateways: [gateway('infra', { labels: { [FOR]: 'all' } })],
    service: bound(INFRA, 'not-allowed'),
  },
  {
    is: 'one of another namespace that takes all',
    own: { [NAME]: 'wp', [HOME]: 'infra' },
    gateways: [gateway('infra', { labels: { [FOR]: 'all' }, from: fromAll })],
    service: bound(INFRA),
  },
  {
    is: 'one of another namespace that takes those with a label',
    own: { [NAME]: 'wp', [HOME]: 'infra' },
    around: { team: 'a' },
    gateways: [gateway('infra', { labels: { [FOR]: 'all' }, from: selected({ team: 'a' }) })],
    service: bound(INFRA),
  },
  {
    is: 'one of another namespace that takes those with another label',
    own: { [NAME]: 'wp', [HOME]: 'infra' },
    around: { team: 'b' },
    gateways: [gateway('infra', { labels: { [FOR]: 'all' }, from: selected({ team: 'a' }) })],
    service: bound(INFRA, 'not-allowed'),
  },
];

for (const { is, own = {}, around = {}, gateways = [], service, workload = service } of ROWS) {
  test(`decideWaypointBinding(): ${is}`, () => {
    const surroundings = {
      namespace: namespace(around),
      gateway: (name: { readonly namespace: string; readonly name: string }) =>
        gateways.find(({ meta }) => meta.namespace === name.namespace && meta.name === name.name),
    };
    const decide = (traffic: 'service' | 'workload'): unknown =>
      decideWaypointBinding({ meta: metaOf(own), traffic }, surroundings);
    assert.deepEqual([decide('service'), decide('workload')], [service, workload]);
  });
}

test('waypointRefOf() names the Service that is made for the Gateway, also while there is none', () => {
  const settings = {
    clusterId: 'c',
    clusterDomain: 'cluster.local',
    trustDomain: parseTrustDomain('cluster.local'),
    rootNamespace: 'root',
    defaultNetwork: '',
    excludedNamespaces: [],
  };
  for (const fault of [null, 'missing', 'wrong-class', 'not-allowed'] as const) {
    assert.deepEqual(waypointRefOf({ kind: 'bound', waypoint: INFRA, fault }, settings), {
      destination: {
        kind: 'hostname',
        hostname: { namespace: 'infra', hostname: 'wp-ambit-waypoint.infra.svc.cluster.local' },
      },
      hboneMtlsPort: 15_008,
    });
  }
  assert.equal(waypointRefOf({ kind: 'not-covered', waypoint: WP }, settings), undefined);
  assert.equal(waypointRefOf({ kind: 'none', reason: 'opted-out' }, settings), undefined);
});
