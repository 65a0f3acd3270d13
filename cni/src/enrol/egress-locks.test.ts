import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  keyOf,
  type MeshObject,
  type ObjectChange,
  type ObjectKey,
  type ObjectProblem,
  parseObject,
} from '@ambit/mesh/kinds';
import { formatCidr } from '@ambit/mesh/model';
import { EgressLocks } from './egress-locks.ts';

function policy(namespace: string, name: string, ...cidrs: readonly string[]): MeshObject {
  const allow = cidrs.length === 0 ? [] : [{ cidrs, ports: [443] }];
  return object(namespace, name, { unknownDestinations: 'Refuse', allow });
}

function object(namespace: string, name: string, spec: object): MeshObject {
  const json = { apiVersion: 'ambit.dev/v1alpha1', kind: 'EgressPolicy', metadata: { namespace, name }, spec };
  return parseObject(json) ?? assert.fail();
}

const open = (namespace: string): MeshObject => object(namespace, 'open', { unknownDestinations: 'Allow' });
const put = (...objects: readonly MeshObject[]): readonly ObjectChange[] =>
  objects.map((each) => ({ kind: 'put', object: each }));
const gone = (last: MeshObject): ObjectChange => ({ kind: 'delete', key: keyOf(last), last });
const broken = (key: ObjectKey, severity: ObjectProblem['severity'] = 'error'): ObjectProblem => ({
  where: 'somewhere',
  reason: 'it is broken',
  key,
  severity,
});

function shown(locks: EgressLocks, namespace: string): string {
  const locked = locks.of(namespace);
  return locked === null ? 'open' : ['locked', ...locked.allowed.map(({ block }) => formatCidr(block))].join(' ');
}

test('EgressLocks follows policies of a namespace, and of the mesh where that has none', () => {
  const locks = new EgressLocks('root');
  const all = (): readonly string[] => ['shop', 'other', 'root'].map((namespace) => shown(locks, namespace));
  assert.deepEqual(all(), ['open', 'open', 'open']);
  const mesh = policy('root', 'all', '192.0.2.1');
  const own = policy('shop', 'b', '192.0.2.2');
  locks.onChanges(put(mesh, own));
  assert.deepEqual(all(), ['locked 192.0.2.2/32', 'locked 192.0.2.1/32', 'locked 192.0.2.1/32']);
  locks.onChanges(put(policy('shop', 'a', '192.0.2.3'), open('shop'), open('other')));
  assert.deepEqual(all(), ['locked 192.0.2.3/32 192.0.2.2/32', 'open', 'locked 192.0.2.1/32']);
  locks.onChanges([gone(mesh), gone(own), gone(policy('shop', 'a'))]);
  assert.deepEqual(all(), ['open', 'open', 'open']);
});

test('EgressLocks allows nothing where a policy cannot be read and no version of it is known', () => {
  const locks = new EgressLocks('root');
  const all = (): readonly string[] => ['shop', 'other'].map((namespace) => shown(locks, namespace));
  assert.ok(locks.onProblems([broken('EgressPolicy/shop/a'), broken('EgressPolicy/other/a', 'warning')]));
  assert.ok(!locks.onProblems([broken('EgressPolicy/shop/a'), broken('Pod/shop/a')]));
  assert.deepEqual(all(), ['locked', 'open']);
  locks.onChanges(put(policy('shop', 'a', '192.0.2.2')));
  assert.deepEqual(all(), ['locked 192.0.2.2/32', 'open'], 'the last good version stays in force');
  assert.ok(locks.onProblems([broken('EgressPolicy/root/a')]));
  assert.deepEqual(all(), ['locked 192.0.2.2/32', 'locked']);
  assert.ok(locks.onProblems([]));
  assert.deepEqual(all(), ['locked 192.0.2.2/32', 'open']);
});
