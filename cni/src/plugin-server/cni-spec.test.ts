import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressesOfCall, podOfCall, validContainers } from './cni-spec.ts';

test('podOfCall() finds the pod in the arguments of a runtime', () => {
  const cases: readonly (readonly [string, unknown])[] = [
    [
      'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart;K8S_POD_UID=u',
      { namespace: 'shop', name: 'cart', uid: 'u' },
    ],
    ['K8S_POD_NAME=cart;K8S_POD_NAMESPACE=shop', { namespace: 'shop', name: 'cart', uid: '' }],
    ['K8S_POD_NAMESPACE=shop', null],
    ['K8S_POD_NAMESPACE=;K8S_POD_NAME=cart', null],
    ['', null],
    [';;=;a', null],
  ];
  assert.deepEqual(
    cases.map(([args]) => podOfCall(args)),
    cases.map(([, expected]) => expected),
  );
});

test('addressesOfCall() reads the addresses of every version of the result, and leaves out what is none', () => {
  const call = (ips: unknown): readonly string[] => addressesOfCall(JSON.stringify({ prevResult: { ips } }));
  assert.deepEqual(
    call([
      { address: '10.1.0.5/24', interface: 2 },
      { version: '6', address: 'fd00::5/64' },
    ]),
    ['10.1.0.5', 'fd00::5'],
  );
  assert.deepEqual(call([{ address: '10.1.0.5' }, { address: 'x/24' }, { address: 5 }, {}, null, 'a']), ['10.1.0.5']);
  assert.deepEqual([call({}), call(null), addressesOfCall('{}'), addressesOfCall('no JSON')], [[], [], [], []]);
});

test('validContainers() reads what a garbage collection spares, and tells nothing from an empty list', () => {
  const call = (attachments: unknown): unknown =>
    validContainers(JSON.stringify({ 'cni.dev/valid-attachments': attachments }));
  assert.deepEqual(call([{ containerID: 'a', ifname: 'eth0' }, { containerID: 'b' }, {}, 5]), new Set(['a', 'b']));
  assert.deepEqual([call([]), validContainers('{}'), call('a')], [new Set(), null, null]);
});
