import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Namespace, NO_EXCLUSIONS, parseObject, type Pod } from '@ambit/mesh/kinds';
import { parseIpAddress } from '@ambit/mesh/model';
import { type Addition, decideAddition, type PodFacts } from './decide-addition.ts';

const AMBIENT = { 'ambit.dev/mode': 'ambient' };
const ASKED = { namespace: 'shop', name: 'cart', uid: 'u1' };
const ADDRESSES = [parseIpAddress('10.0.0.5'), parseIpAddress('fd00::5')];

function namespace(labels: object = {}): Namespace {
  return parseObject({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels } }) as Namespace;
}

function pod(metadata: object = {}): Pod {
  return parseObject({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'shop', name: 'cart', uid: 'u1', ...metadata },
    spec: { nodeName: 'here', serviceAccountName: 'seller' },
  }) as Pod;
}

const facts = (more: Partial<PodFacts> = {}): PodFacts => ({
  pod: pod(),
  namespace: namespace(AMBIENT),
  source: 'api',
  ...more,
});
const enrolled = {
  kind: 'enrol',
  pod: {
    uid: 'u1',
    namespace: 'shop',
    name: 'cart',
    serviceAccount: 'seller',
    addresses: ADDRESSES,
    exclusions: NO_EXCLUSIONS,
    dnsCapture: true,
  },
} as const satisfies Addition;
const pass: Addition = { kind: 'pass' };
const refuse = (message: string): Addition => ({ kind: 'refuse', message });

const cases: readonly (readonly [string, PodFacts, Addition])[] = [
  ['enrols a pod of an enrolled namespace', facts(), enrolled],
  ['decides by what is known when the API server is away', facts({ source: 'cache' }), enrolled],
  ['enrols a pod by its own label', facts({ namespace: namespace(), pod: pod({ labels: AMBIENT }) }), enrolled],
  ['lets a pod pass whose namespace is not enrolled', facts({ namespace: namespace() }), pass],
  ['lets a pod pass that opts out', facts({ pod: pod({ labels: { 'ambit.dev/mode': 'none' } }) }), pass],
  ['refuses a pod that is gone', facts({ pod: null }), refuse('the pod does not exist any more')],
  ['refuses a pod without namespace', facts({ namespace: null }), refuse('its namespace does not exist any more')],
  [
    'refuses an unknown pod while the API server is away',
    facts({ pod: null, source: 'cache' }),
    refuse('the API server cannot be reached, and the pod is not known from before'),
  ],
  [
    'refuses a pod of an unknown namespace while the API server is away',
    facts({ namespace: null, source: 'cache' }),
    refuse('the API server cannot be reached, and its namespace is not known from before'),
  ],
  [
    'refuses another pod of that name',
    facts({ pod: pod({ uid: 'u2' }) }),
    refuse('a pod of that name has UID u2 by now'),
  ],
];

for (const [behaviour, known, expected] of cases) {
  test(`decideAddition() ${behaviour}`, () =>
    assert.deepEqual(decideAddition(ASKED, ADDRESSES, known, ['own']), expected));
}

test('decideAddition() takes a mirror for the static pod it mirrors, whatever its UID', () => {
  const mirror = pod({ uid: 'u2', annotations: { 'kubernetes.io/config.mirror': 'x' } });
  const decision = decideAddition(ASKED, ADDRESSES, facts({ pod: mirror }), []);
  assert.deepEqual(decision, { kind: 'enrol', pod: { ...enrolled.pod, uid: 'u2', kubeletUid: 'x' } });
});

test('decideAddition() goes without a UID where the runtime gives none', () => {
  assert.deepEqual(decideAddition({ ...ASKED, uid: '' }, ADDRESSES, facts(), []), enrolled);
});

test('decideAddition() asks nothing about excluded namespaces', () => {
  assert.deepEqual(decideAddition(ASKED, [], facts({ pod: null, namespace: null }), ['shop']), pass);
});

test('decideAddition() refuses an enrolled pod without address', () => {
  assert.deepEqual(decideAddition(ASKED, [], facts(), []), refuse('prevResult holds no address of the pod'));
});
