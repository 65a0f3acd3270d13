import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gateway, Pod } from '@ambit/mesh/kinds';
import { parseObject } from '@ambit/mesh/kinds';
import { decideSubscriber, type SubscribingCaller } from './decide-subscriber.ts';

function pod(name: string, gateway: string | null, nodeName = 'n1', account = `${gateway}-ambit-waypoint`): Pod {
  const labels =
    gateway === null
      ? {}
      : {
          'gateway.networking.k8s.io/gateway-name': gateway,
          'gateway.networking.k8s.io/gateway-class-name': 'ambit-waypoint',
        };
  const metadata = { name, namespace: 'shop', uid: `uid-${name}`, labels };
  const parsed = parseObject({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: { nodeName, serviceAccountName: account },
    status: {},
  });
  return parsed?.kind === 'Pod' ? parsed : assert.fail('no pod');
}

function gateway(name: string, gatewayClassName: string): Gateway {
  const metadata = { name, namespace: 'shop' };
  const spec = { gatewayClassName, listeners: [] };
  const parsed = parseObject({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata, spec });
  return parsed?.kind === 'Gateway' ? parsed : assert.fail('no gateway');
}

const PODS = [
  pod('wp', 'wp'),
  pod('web', null),
  pod('lost', 'gone'),
  pod('edge', 'edge'),
  pod('far', 'wp', 'n2'),
  pod('odd', 'wp', 'n1', 'wp'),
];
const GATEWAYS = [gateway('wp', 'ambit-waypoint'), gateway('edge', 'ambit')];
const WORLD = {
  pod: (namespace: string, name: string) => PODS.find(({ meta }) => `${namespace}/${name}` === `shop/${meta.name}`),
  gateway: (namespace: string, name: string) =>
    GATEWAYS.find(({ meta }) => `${namespace}/${name}` === `shop/${meta.name}`),
};
const NODE: SubscribingCaller = { node: 'n1', speaksForNode: true };
const ofPod = (name: string, uid = `uid-${name}`): SubscribingCaller => ({
  node: 'n1',
  pod: { namespace: 'shop', name, uid },
  speaksForNode: false,
});
const WAYPOINT = {
  kind: 'waypoint',
  node: 'n1',
  pod: { namespace: 'shop', name: 'wp', uid: 'uid-wp' },
  gateway: 'shop/wp',
};

const rows: readonly (readonly [string, SubscribingCaller, string | undefined, unknown])[] = [
  ['a node by its certificate', NODE, undefined, { kind: 'node-agent', node: 'n1' }],
  ['a waypoint that its node vouches for', NODE, 'shop/wp', WAYPOINT],
  ['a waypoint by its own token', ofPod('wp'), undefined, WAYPOINT],
  ['a pod by token says it is another', ofPod('web'), 'shop/wp', 'not-a-node-agent'],
  ['a pod by token that is no waypoint', ofPod('web'), undefined, 'not-a-node-agent'],
  ['a pod that was replaced', ofPod('wp', 'uid-old'), undefined, 'pod-unknown'],
  ['a pod of another node', NODE, 'shop/far', 'pod-of-another-node'],
  ['a pod that does not exist', NODE, 'shop/none', 'pod-unknown'],
  ['a pod that is no waypoint', NODE, 'shop/web', 'not-a-waypoint'],
  ['a Gateway that does not exist', NODE, 'shop/lost', 'not-a-waypoint'],
  ['a Gateway of another class', ofPod('edge'), undefined, 'not-a-waypoint'],
  ['a waypoint with a service account of its own choice', NODE, 'shop/odd', 'waypoint-of-another-service-account'],
  ['the same by its own token', ofPod('odd'), undefined, 'waypoint-of-another-service-account'],
  ['a name without a namespace', NODE, 'wp', 'pod-unknown'],
];
for (const [what, caller, claimed, expected] of rows) {
  test(`decideSubscriber(): ${what}`, () => {
    const decision = decideSubscriber(caller, claimed, WORLD);
    assert.deepEqual(decision.kind === 'accepted' ? decision.identity : decision.reason, expected);
  });
}

test('decideSubscriber() names the pod of a node agent', () => {
  const pod = { namespace: 'ambit-system', name: 'agent', uid: 'u' };
  assert.deepEqual(decideSubscriber({ ...NODE, pod }, undefined, WORLD), {
    kind: 'accepted',
    identity: { kind: 'node-agent', node: 'n1', pod },
  });
});
