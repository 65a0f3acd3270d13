import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MeshObject, ObjectKey } from '../kinds/objects.ts';
import { KubeApiError } from './errors.ts';
import { KindStore } from './kind-store.ts';

interface Told {
  readonly key: ObjectKey;
  readonly before: MeshObject | null;
  readonly after: MeshObject | null;
}

function createStore(objectsMax = 10): { store: KindStore; told: Told[] } {
  const told: Told[] = [];
  const store = new KindStore('Service', objectsMax, (key, before, after) => told.push({ key, before, after }));
  return { store, told };
}

interface Raw {
  readonly name: string;
  readonly version: string;
  readonly uid?: string;
  readonly spec?: unknown;
  readonly annotations?: Readonly<Record<string, string>>;
}

const service = ({ name, version, uid = name, spec = { ports: [{ port: 80 }] }, annotations = {} }: Raw): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop', uid, resourceVersion: version, annotations },
  spec,
});

const words = (told: readonly Told[]): readonly string[] =>
  told.map(
    ({ key, before, after }) =>
      `${key.slice('Service/shop/'.length)} ${before === null ? '-' : 'x'}>${after === null ? '-' : 'x'}`,
  );

test('a list tells what came, what changed and what is gone, and nothing else', () => {
  const { store, told } = createStore();
  store.beginList();
  for (const name of ['a', 'b', 'c', 'd']) store.put(service({ name, version: '1' }));
  store.endList();
  assert.deepEqual(words(told.splice(0)), ['a ->x', 'b ->x', 'c ->x', 'd ->x']);
  store.beginList();
  store.put(service({ name: 'a', version: '1' }));
  store.put(service({ name: 'b', version: '2' })); // Nothing in it that is read is another.
  store.put(service({ name: 'c', version: '2', spec: { ports: [{ port: 81 }] } }));
  store.put(service({ name: 'e', version: '2' }));
  store.endList();
  assert.deepEqual(words(told.splice(0)), ['c x>x', 'e ->x', 'd x>-']);
  assert.equal(store.size, 4);
  store.remove(service({ name: 'e', version: '3' }));
  store.remove(service({ name: 'e', version: '3' }));
  store.clear();
  assert.deepEqual(words(told), ['e x>-', 'a x>-', 'b x>-', 'c x>-']);
});

test('a list that breaks off takes nothing away', () => {
  const { store, told } = createStore();
  store.put(service({ name: 'a', version: '1' }));
  store.beginList();
  store.put(service({ name: 'b', version: '1' }));
  store.beginList();
  store.put(service({ name: 'a', version: '1' }));
  store.put(service({ name: 'b', version: '1' }));
  store.endList();
  assert.deepEqual(words(told), ['a ->x', 'b ->x']);
});

test('the last good version stays, unless it is that of another object with the same name', () => {
  const { store, told } = createStore();
  store.put(service({ name: 'a', version: '1' }));
  store.put(service({ name: 'a', version: '2', spec: { ports: [{ port: 'eighty' }] } }));
  const key = 'Service/shop/a';
  const reason = 'spec.ports[0].port must be a whole number from 1 to 65535 but is "eighty"';
  assert.deepEqual(store.problems(), [{ where: key, reason, key, severity: 'error' }]);
  assert.deepEqual(words(told.splice(0)), ['a ->x']);
  store.put(service({ name: 'a', version: '3', uid: 'another', spec: 5 }));
  assert.deepEqual(words(told.splice(0)), ['a x>-']);
  assert.equal(store.problems().length, 1);
  store.put(service({ name: 'a', version: '4', uid: 'another' }));
  assert.deepEqual(words(told), ['a ->x']);
  assert.deepEqual(store.problems(), []);
});

test('a store is bounded, says what it left out, and takes it when there is room', () => {
  const { store, told } = createStore(2);
  for (const name of ['a', 'b', 'c', 'd']) store.put(service({ name, version: '1' }));
  assert.deepEqual(words(told.splice(0)), ['a ->x', 'b ->x']);
  assert.equal(store.incomplete, true);
  assert.deepEqual(store.problems(), [
    {
      where: 'Service',
      reason: 'there are 2 more than the 2 that are kept: those are not in force',
      severity: 'error',
    },
  ]);
  store.beginList();
  store.put(service({ name: 'b', version: '1' }));
  store.endList();
  assert.equal(store.incomplete, false);
  assert.deepEqual(store.problems(), []);
});

test('long annotations are not kept, and what cannot be told apart is refused', () => {
  const { store, told } = createStore();
  const annotations = {
    'kubectl.kubernetes.io/last-applied-configuration': '{}',
    'example/document': 'x'.repeat(2000),
    'ambit.dev/short': 'kept',
  };
  store.put(service({ name: 'a', version: '1', annotations }));
  assert.deepEqual(told[0]?.after?.meta.annotations, new Map([['ambit.dev/short', 'kept']]));
  for (const raw of [
    null,
    {},
    { metadata: {} },
    { metadata: { name: 'a', namespace: 'b', uid: 5, resourceVersion: '1' } },
  ]) {
    assert.throws(() => store.put(raw), KubeApiError);
  }
});
