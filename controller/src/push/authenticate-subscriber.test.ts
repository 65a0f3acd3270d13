import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcError, type GrpcPeer } from '@ambit/mesh/grpc';
import { parseObject, type Pod } from '@ambit/mesh/kinds';
import { silentLogger } from '@ambit/mesh/runtime';
import { authenticateSubscriber, COPY_PATIENCE_MS } from './authenticate-subscriber.ts';

const PEER: GrpcPeer = { address: '10.0.0.1:5000', certificate: undefined, bearerToken: 'token' };

function waypointPod(): Pod {
  const labels = {
    'gateway.networking.k8s.io/gateway-name': 'wp',
    'gateway.networking.k8s.io/gateway-class-name': 'ambit-waypoint',
  };
  const metadata = { name: 'wp-1', namespace: 'shop', uid: 'u1', labels };
  const spec = { nodeName: 'n1', serviceAccountName: 'wp-ambit-waypoint' };
  const pod = parseObject({ apiVersion: 'v1', kind: 'Pod', metadata, spec, status: {} });
  return pod?.kind === 'Pod' ? pod : assert.fail('no pod');
}

function waypointGateway() {
  const spec = { gatewayClassName: 'ambit-waypoint', listeners: [] };
  const metadata = { name: 'wp', namespace: 'shop' };
  const gateway = parseObject({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata, spec });
  return gateway?.kind === 'Gateway' ? gateway : assert.fail('no gateway');
}

/** A waypoint that calls while our copy of the cluster does not have its pod; `onSleep` is what happens meanwhile. */
function call(onSleep: (sleptMs: number, world: { isKnown: boolean; isRevoked: boolean }) => void) {
  const world = { isKnown: false, isRevoked: false };
  const gateway = waypointGateway();
  const pod = waypointPod();
  let sleptMs = 0;
  const outcome = authenticateSubscriber(
    {
      identity: {
        async authenticate() {
          if (world.isRevoked) throw new GrpcError('unauthenticated');
          return { node: 'n1', pod: { namespace: 'shop', name: 'wp-1', uid: 'u1' }, speaksForNode: false };
        },
      },
      world: { pod: () => (world.isKnown ? pod : undefined), gateway: () => gateway },
      clock: {
        async sleep(delayMs) {
          sleptMs += delayMs;
          onSleep(sleptMs, world);
        },
      },
      logger: silentLogger,
    },
    PEER,
  );
  return { outcome, sleptMs: () => sleptMs };
}

test('authenticateSubscriber() waits for the pod of a caller that has proved to be it', async () => {
  const { outcome, sleptMs } = call((slept, world) => void (world.isKnown = slept >= 300));
  assert.equal((await outcome).kind, 'waypoint');
  assert.equal(sleptMs(), 300);
});

test('authenticateSubscriber() refuses a pod that is not there after a while as somebody known who may not', async () => {
  const { outcome, sleptMs } = call(() => {});
  await assert.rejects(outcome, { code: 'permission-denied' });
  assert.equal(sleptMs(), COPY_PATIENCE_MS);
});

test('authenticateSubscriber() asks again who calls when it had to wait', async () => {
  const { outcome } = call((_slept, world) => Object.assign(world, { isKnown: true, isRevoked: true }));
  await assert.rejects(outcome, { code: 'unauthenticated' });
});
