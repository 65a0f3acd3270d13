/** STRICT mutual TLS, with kubelet's probes, which come in plaintext, and with others who do. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@ambit/mesh/testing';
import { ensureAmbit } from './harness/ambit.ts';
import { assertAllowed, becomesDenied, call, SETTLE_MS } from './harness/calls.ts';
import { Cluster, type Manifest, run } from './harness/cluster.ts';
import { agnhostPod, appPod, HTTP_PORT, service } from './harness/pods.ts';
import { Scene } from './harness/scene.ts';

const NS = 'strict';
const OUTSIDE = 'strict-outside';
const VISITOR = `${OUTSIDE}/visitor`;
const FAST = { periodSeconds: 1, failureThreshold: 2, timeoutSeconds: 2 };
/** Liveness probes of a second each: enough of them to end a container whose probe is refused. */
const PROBED_MS = 8000;
const CURL = ['curl', '-sS', '--max-time', '3'];

const cluster = Cluster.fromEnvironment();
const [first, second] = cluster.nodes;
await ensureAmbit(cluster);

const strict: Manifest = {
  apiVersion: 'ambit.dev/v1alpha1',
  kind: 'MutualTLSPolicy',
  metadata: { namespace: NS, name: 'strict' },
  spec: { mode: 'Strict' },
};

function probed(name: string, args: readonly string[], probe: Readonly<Record<string, unknown>>): Manifest {
  const probes = { readinessProbe: { ...probe, ...FAST }, livenessProbe: { ...probe, ...FAST } };
  return agnhostPod(NS, name, args, { node: second, container: probes });
}

const netexec = ['netexec', `--http-port=${HTTP_PORT}`];
const scene = await Scene.open(cluster, {
  namespaces: { [NS]: 'ambient', [OUTSIDE]: 'unlabelled' },
  objects: [
    strict,
    probed('http', netexec, { httpGet: { path: '/healthz', port: HTTP_PORT } }),
    probed('tcp', netexec, { tcpSocket: { port: HTTP_PORT } }),
    probed('grpc', ['grpc-health-checking', '--port=5000', '--http-port=8083'], { grpc: { port: 5000 } }),
    service(NS, 'http', [{ name: 'http', port: HTTP_PORT }], { type: 'NodePort' }),
    appPod(NS, 'client', { node: first }),
    appPod(NS, 'server', { node: second }),
    appPod(OUTSIDE, 'visitor', { node: first }),
  ],
  clients: [`${NS}/client`, VISITOR],
});
after(() => scene.close());

test('pods with HTTP, TCP and gRPC probes are Ready, and stay so', async () => {
  await sleep(PROBED_MS);
  const fields =
    '{range .items[*]}{.status.containerStatuses[0].restartCount}{.status.containerStatuses[0].ready} {end}';
  const said = await cluster.read(['-n', NS, 'pods', 'http', 'tcp', 'grpc'], fields);
  assert.equal(said.trim(), '0true 0true 0true');
});

test('a probe that fails makes its pod unready', async () => {
  // Its /healthz fails from the tenth second on.
  await cluster.apply(
    agnhostPod(NS, 'sick', ['liveness'], {
      node: second,
      container: { readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, ...FAST } },
    }),
    agnhostPod(NS, 'deaf', netexec, {
      node: second,
      container: { readinessProbe: { tcpSocket: { port: 9 }, ...FAST } },
    }),
  );
  await scene.awaitPods([`${NS}/sick`]);
  await cluster.kubectl(['-n', NS, 'wait', '--for=condition=Ready=False', '--timeout=40s', 'pod/sick']);
  assert.equal(await cluster.read(['-n', NS, 'pod', 'deaf'], '{.status.containerStatuses[0].ready}'), 'false');
});

test('who has an identity is admitted, and a pod without is refused', async () => {
  await assertAllowed(scene, `${NS}/client`, `${NS}/server`);
  const refused = await call(scene, VISITOR, `${NS}/server`);
  assert.equal(refused.ok, false);
  assert.notEqual(refused.error, 'ETIMEDOUT');
});

test('the node may ask for what its probes ask for, and for nothing else', async () => {
  const { ip } = scene.pod(`${NS}/http`);
  await cluster.onNode(second, [...CURL, `http://${ip}:${HTTP_PORT}/healthz`]);
  await assert.rejects(cluster.onNode(second, [...CURL, `http://${ip}:${HTTP_PORT}/hostname`]));
  await assert.rejects(cluster.onNode(second, [...CURL, '-X', 'POST', `http://${ip}:${HTTP_PORT}/healthz`]));
  await assert.rejects(cluster.onNode(second, [...CURL, `http://${scene.pod(`${NS}/server`).ip}:9000/`]));
});

test('a client outside the cluster gets nothing through a NodePort, nor by the pod’s address', async () => {
  const port = await cluster.read(['-n', NS, 'service', 'http'], '{.spec.ports[0].nodePort}');
  for (const node of cluster.nodes) {
    const address = await cluster.read(['node', node], '{.status.addresses[?(@.type=="InternalIP")].address}');
    await assert.rejects(run('curl', [...CURL.slice(1), `http://${address}:${port}/hostname`]), node);
  }
  const { ip } = scene.pod(`${NS}/http`);
  await assert.rejects(run('curl', [...CURL.slice(1), `http://${ip}:${HTTP_PORT}/healthz`]));
});

test('when the policy is deleted plaintext is admitted again', async () => {
  await becomesDenied(scene, VISITOR, `${NS}/server`);
  await cluster.kubectl(['-n', NS, 'delete', 'mutualtlspolicy', 'strict']);
  await until('the visitor is admitted', async () => (await call(scene, VISITOR, `${NS}/server`)).ok, SETTLE_MS);
});
