import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { SETTLE_MS } from '../harness/calls.ts';
import { Cluster, type Manifest } from '../harness/cluster.ts';
import { EchoMesh } from './echo-mesh.ts';
import type { Echoed } from './echoed.ts';
import { MESH } from './world.ts';

/** Callers of what is bound to a waypoint are refused as long as it is not there: nothing passes it by. */
const SERVICE = 'echo-guarded';
const GATEWAY = 'guard';
const GUARDED = { url: `http://${SERVICE}/` } as const;

const cluster = Cluster.fromEnvironment();
let mesh: EchoMesh;
before(async () => {
  mesh = await EchoMesh.find(cluster);
  await cluster.apply(service());
});
after(async () => {
  const objects = [`service/${SERVICE}`, `gateway/${GATEWAY}`];
  await cluster.kubectl(['-n', MESH, 'delete', '--ignore-not-found', ...objects]);
});

function service(): Manifest {
  const labels = { 'ambit.dev/waypoint': GATEWAY, 'ambit.dev/waypoint-namespace': MESH };
  return {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: SERVICE, namespace: MESH, labels } },
    spec: {
      selector: { app: 'echo', version: 'v1' },
      ports: [{ name: 'web', port: 80, targetPort: 8080, appProtocol: 'http' }],
    },
  };
}

function gateway(): Manifest {
  return {
    ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { name: GATEWAY, namespace: MESH } },
    spec: {
      gatewayClassName: 'ambit-waypoint',
      listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }],
    },
  };
}

/** What the Service says of its waypoint. */
async function boundBecomes(reason: string): Promise<void> {
  const path = String.raw`{.status.conditions[?(@.type=="ambit.dev/WaypointBound")].reason}`;
  await until(
    `condition of ${SERVICE} has reason ${reason}`,
    async () => (await cluster.read(['-n', MESH, 'service', SERVICE], path)) === reason,
    SETTLE_MS,
  );
}

/** A client that gets no answer ends with an error. */
async function answer(): Promise<Echoed | null> {
  return await mesh.request(GUARDED).then(
    ([first]) => first ?? null,
    () => null,
  );
}

test('a Service that names a waypoint which is missing is reached by nobody', async () => {
  await boundBecomes('WaypointMissing');
  await until('nobody is answered', async () => (await answer()) === null, SETTLE_MS);
  for (let count = 0; count < 5; count++) assert.equal(await answer(), null);
});

test('it is reached through the waypoint as soon as that is ready', async () => {
  await cluster.apply(gateway());
  await boundBecomes('WaypointAccepted');
  await mesh.eventually(GUARDED, ([first]) => {
    assert.equal(first?.status, 200);
    // Who forwards says for whom.
    assert.notEqual(first.requestHeaders.get('x-forwarded-for'), undefined);
  });
});

test('a waypoint without a ready pod is as one that is missing', async () => {
  // The controller brings it back, half a minute later at most.
  await cluster.kubectl(['-n', MESH, 'scale', `deployment/${GATEWAY}-ambit-waypoint`, '--replicas=0']);
  await boundBecomes('WaypointIsNotReady');
  await until('nobody is answered', async () => (await answer()) === null, SETTLE_MS);
  await boundBecomes('WaypointAccepted');
});

test('what is made for a Gateway goes with it, and the Service says so', async () => {
  await cluster.kubectl(['-n', MESH, 'delete', `gateway/${GATEWAY}`]);
  await boundBecomes('WaypointMissing');
  const kinds = 'deployments,services,serviceaccounts,horizontalpodautoscalers,poddisruptionbudgets';
  const labelled = ['-n', MESH, kinds, '-l', `gateway.networking.k8s.io/gateway-name=${GATEWAY}`];
  await until(
    'nothing is left',
    async () => (await cluster.read(labelled, '{.items[*].metadata.name}')) === '',
    SETTLE_MS,
  );
  assert.equal(await answer(), null);
});
