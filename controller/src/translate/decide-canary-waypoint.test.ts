import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Gateway, type Namespace, type ObjectMeta, parseObject } from '@ambit/mesh/kinds';
import { decideCanaryWaypoint } from './decide-canary-waypoint.ts';

type Json = Readonly<Record<string, string>>;

const NAME = 'ambit.dev/waypoint';
const CANARY = 'ambit.dev/waypoint-canary';
const CANARY_HOME = 'ambit.dev/waypoint-canary-namespace';
const WEIGHT = 'ambit.dev/waypoint-canary-weight';
const NEXT = { namespace: 'shop', name: 'next' };

interface Labelled {
  readonly labels?: Json;
  readonly weight?: string;
}

function metadata(name: string, { labels = {}, weight }: Labelled): object {
  return { name, labels, annotations: weight === undefined ? {} : { [WEIGHT]: weight } };
}

function namespace(around: Labelled): Namespace {
  const object = parseObject({ apiVersion: 'v1', kind: 'Namespace', metadata: metadata('shop', around) });
  return object?.kind === 'Namespace' ? object : assert.fail();
}

function metaOf(own: Labelled): ObjectMeta {
  const meta = { ...metadata('web', own), namespace: 'shop' };
  return parseObject({ apiVersion: 'v1', kind: 'Service', metadata: meta, spec: {} })?.meta ?? assert.fail();
}

function gateway(home: string, name: string, labels: Json = {}, className = 'ambit-waypoint'): Gateway {
  const object = parseObject({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name, namespace: home, labels },
    spec: { gatewayClassName: className, listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
  });
  return object?.kind === 'Gateway' ? object : assert.fail();
}

const GATEWAYS = [
  gateway('shop', 'wp'),
  gateway('shop', 'next'),
  gateway('infra', 'wp'),
  gateway('shop', 'pods', { 'ambit.dev/waypoint-for': 'workload' }),
  gateway('shop', 'nginx', {}, 'nginx'),
];

interface Row {
  readonly is: string;
  readonly own?: Labelled;
  readonly around?: Labelled;
  readonly expected: unknown;
}

const none = { kind: 'none' };
const canary = (weight: number, fault: string | null = null): unknown => ({
  ...{ kind: 'canary', waypoint: NEXT, weight, fault },
});
const unused = (name: string, fault: string, home = 'shop'): unknown => ({
  ...{ kind: 'unused', waypoint: { namespace: home, name }, fault },
});
const both = { [NAME]: 'wp', [CANARY]: 'next' };

const ROWS: readonly Row[] = [
  { is: 'nothing is said', expected: none },
  { is: 'a waypoint alone', own: { labels: { [NAME]: 'wp' }, weight: '10' }, expected: none },
  { is: 'a share of ten', own: { labels: both, weight: '10' }, expected: canary(10) },
  { is: 'all', own: { labels: both, weight: '100' }, expected: canary(100) },
  { is: 'none yet', own: { labels: both, weight: '0' }, expected: canary(0) },
  { is: 'none while nobody says how many', own: { labels: both }, expected: canary(0) },
  ...['', '101', '-1', '5.5', '10%', 'ten', '1e1', ' 1'].map(
    (weight): Row => ({
      is: `a weight of ${JSON.stringify(weight)}`,
      own: { labels: both, weight },
      expected: canary(0, 'invalid-weight'),
    }),
  ),
  { is: 'those of the namespace', around: { labels: both, weight: '20' }, expected: canary(20) },
  {
    is: 'an own canary of the waypoint of the namespace, with its own weight',
    own: { labels: { [CANARY]: 'next' }, weight: '5' },
    around: { labels: { [NAME]: 'wp', [CANARY]: 'other' }, weight: '20' },
    expected: canary(5),
  },
  {
    is: 'the canary of the namespace is none of a waypoint of its own',
    own: { labels: { [NAME]: 'pods' } },
    around: { labels: both, weight: '20' },
    expected: none,
  },
  {
    is: 'the weight of the namespace is none of an own canary',
    own: { labels: { [CANARY]: 'next' } },
    around: { labels: { [NAME]: 'wp' }, weight: '20' },
    expected: canary(0),
  },
  { is: 'no waypoint at all', own: { labels: { [NAME]: 'none' } }, around: { labels: both }, expected: none },
  { is: 'no canary', own: { labels: { [CANARY]: 'none' } }, around: { labels: both }, expected: none },
  { is: 'a canary of no waypoint', own: { labels: { [CANARY]: 'next' } }, expected: unused('next', 'no-primary') },
  {
    is: 'a canary of a waypoint that is not for services',
    own: { labels: { ...both, [NAME]: 'pods' } },
    expected: unused('next', 'no-primary'),
  },
  { is: 'a canary of a waypoint that is missing', own: { labels: { ...both, [NAME]: 'gone' } }, expected: canary(0) },
  {
    is: 'the waypoint itself',
    own: { labels: { ...both, [CANARY]: 'wp' } },
    expected: unused('wp', 'same-as-primary'),
  },
  {
    is: 'a Gateway of that name elsewhere that takes its own only',
    own: { labels: { ...both, [CANARY]: 'wp', [CANARY_HOME]: 'infra' } },
    expected: unused('wp', 'not-allowed', 'infra'),
  },
  { is: 'one that is missing', own: { labels: { ...both, [CANARY]: 'gone' } }, expected: unused('gone', 'missing') },
  { is: 'another class', own: { labels: { ...both, [CANARY]: 'nginx' } }, expected: unused('nginx', 'wrong-class') },
  { is: 'one for pods', own: { labels: { ...both, [CANARY]: 'pods' } }, expected: unused('pods', 'not-covered') },
  {
    is: 'the Service of a waypoint',
    own: {
      labels: {
        'gateway.networking.k8s.io/gateway-name': 'wp',
        'gateway.networking.k8s.io/gateway-class-name': 'ambit-waypoint',
      },
    },
    around: { labels: both },
    expected: none,
  },
];

for (const { is, own = {}, around = {}, expected } of ROWS) {
  test(`decideCanaryWaypoint(): ${is}`, () => {
    const surroundings = {
      namespace: namespace(around),
      gateway: (name: { readonly namespace: string; readonly name: string }) =>
        GATEWAYS.find(({ meta }) => meta.namespace === name.namespace && meta.name === name.name),
    };
    assert.deepEqual(decideCanaryWaypoint(metaOf(own), surroundings), expected);
  });
}
