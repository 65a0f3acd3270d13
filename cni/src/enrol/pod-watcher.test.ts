import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOf, type MeshObject, NO_EXCLUSIONS, type ObjectChange, parseObject } from '@ambit/mesh/kinds';
import { EgressLocks } from './egress-locks.ts';
import { PodWatcher } from './pod-watcher.ts';

interface PodText {
  readonly namespace?: string;
  readonly node?: string;
  readonly uid?: string;
  readonly mode?: string;
  readonly phase?: string;
  readonly hostNetwork?: boolean;
}

function object(json: Record<string, unknown>): MeshObject {
  return parseObject(json) ?? assert.fail('not an object the mesh reads');
}

function namespace(name: string, mode?: string): MeshObject {
  const labels = mode === undefined ? {} : { 'ambit.dev/mode': mode };
  return object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
}

function pod(name: string, more: PodText = {}): MeshObject {
  return object({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: more.namespace ?? 'shop',
      ...(more.uid === undefined ? {} : { uid: more.uid }),
      labels: more.mode === undefined ? {} : { 'ambit.dev/mode': more.mode },
    },
    spec: { nodeName: more.node ?? 'here', serviceAccountName: 'cart', hostNetwork: more.hostNetwork ?? false },
    status: { phase: more.phase ?? 'Running', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] },
  });
}

function deletion(last: MeshObject): ObjectChange {
  return { kind: 'delete', key: keyOf(last), last };
}

/** What is desired after the objects were delivered one batch after the other. */
function watch(...batches: readonly (readonly MeshObject[])[]): {
  watcher: PodWatcher;
  desired: () => readonly string[];
} {
  let uids: readonly string[] = [];
  const watcher = new PodWatcher({
    nodeName: 'here',
    excludedNamespaces: ['kube-system'],
    egress: new EgressLocks('ambit-system'),
    onDesired: (desired) => {
      uids = [...desired.keys()];
    },
    onProblems: () => assert.fail('nothing is wrong'),
  });
  for (const objects of batches) watcher.onChanges(objects.map((item) => ({ kind: 'put', object: item })));
  return { watcher, desired: () => uids };
}

const shop = namespace('shop', 'ambient');

const cases: readonly (readonly [string, readonly MeshObject[], readonly string[]])[] = [
  ['a pod of an enrolled namespace', [shop, pod('a')], ['shop/a']],
  ['a pod under its uid', [shop, pod('a', { uid: '77' })], ['77']],
  ['a pod whose namespace comes later', [pod('a'), shop], ['shop/a']],
  ['a pod labelled itself', [pod('a', { mode: 'ambient' })], ['shop/a']],
  ['no pod that opted out', [shop, pod('a', { mode: 'none' })], []],
  ['no pod of another node', [shop, pod('a', { node: 'there' })], []],
  ['no pod on the host network', [shop, pod('a', { hostNetwork: true })], []],
  ['no pod of an unlabelled namespace', [namespace('legacy'), pod('a', { namespace: 'legacy' })], []],
  ['no pod of an excluded namespace', [pod('a', { namespace: 'kube-system', mode: 'ambient' })], []],
  ['no pod that has ended', [shop, pod('a', { phase: 'Succeeded' }), pod('b', { phase: 'Failed' })], []],
  ['a pod that is not running yet', [shop, pod('a', { phase: 'Pending' })], ['shop/a']],
];

for (const [what, objects, expected] of cases) {
  test(`PodWatcher wants ${what}`, () => {
    assert.deepEqual(watch(...objects.map((item) => [item])).desired(), expected);
  });
}

test('PodWatcher gives what enrolling needs', () => {
  let given: unknown;
  const watcher = new PodWatcher({
    nodeName: 'here',
    excludedNamespaces: [],
    egress: new EgressLocks('ambit-system'),
    onDesired: (desired) => {
      given = desired.get('shop/a');
    },
    onProblems: () => assert.fail('nothing is wrong'),
  });
  watcher.onChanges([shop, pod('a')].map((item) => ({ kind: 'put', object: item })));
  const addresses = ['10.0.0.1', 'fd00::1'];
  assert.deepEqual(given, {
    uid: 'shop/a',
    namespace: 'shop',
    name: 'a',
    serviceAccount: 'cart',
    addresses,
    exclusions: NO_EXCLUSIONS,
    dnsCapture: true,
  });
});

test('PodWatcher follows pods that move, go, and namespaces that lose their label or go', () => {
  const { watcher, desired } = watch([shop, pod('a'), pod('b'), pod('c')]);
  watcher.onChanges([{ kind: 'put', object: pod('a', { node: 'there' }) }]);
  assert.deepEqual(desired(), ['shop/b', 'shop/c']);
  watcher.onChanges([deletion(pod('b'))]);
  assert.deepEqual(desired(), ['shop/c']);
  watcher.onChanges([{ kind: 'put', object: namespace('shop') }]);
  assert.deepEqual(desired(), []);
  watcher.onChanges([{ kind: 'put', object: shop }]);
  assert.deepEqual(desired(), ['shop/c']);
  watcher.onChanges([deletion(shop)]);
  assert.deepEqual(desired(), []);
});
