/** Each part of the system stopped and started again while pods talk. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ensureAmbit, killComponent, redirectionBecomes, restartComponent, rolledOut } from './harness/ambit.ts';
import { assertAllowed } from './harness/calls.ts';
import { Cluster } from './harness/cluster.ts';
import { assertEncrypted, watchLink } from './harness/link.ts';
import { appPod } from './harness/pods.ts';
import { Scene } from './harness/scene.ts';
import { HeldConnection, Traffic } from './harness/traffic.ts';

const NS = 'restarts';
const CLIENT = `${NS}/client`;
const SERVER = `${NS}/server`;

const cluster = Cluster.fromEnvironment();
const [, second] = cluster.nodes;
await ensureAmbit(cluster);
const scene = await Scene.openPair(cluster, NS);
after(() => scene.close());

/** Runs `fault` under traffic: no call fails, no connection breaks, nothing crosses in plaintext. */
async function unnoticed(fault: () => Promise<void>): Promise<void> {
  using link = watchLink(cluster, second);
  await using traffic = new Traffic(scene, CLIENT, SERVER);
  const held = await HeldConnection.open(scene, CLIENT, SERVER);
  await traffic.flows();
  await fault();
  await traffic.flows(20);
  await held.assertWhole();
  await traffic.assertUnbroken();
  assertEncrypted(link, 10_000);
}

/** A pod that starts afterwards is enrolled, and can be called. */
async function newPodWorks(name: string): Promise<void> {
  await cluster.apply(appPod(NS, name, { node: second }));
  await scene.awaitPods([`${NS}/${name}`]);
  await redirectionBecomes(cluster, NS, name, 'enabled');
  using link = watchLink(cluster, second);
  await assertAllowed(scene, CLIENT, `${NS}/${name}`, { bytes: 100_000 });
  assertEncrypted(link, 100_000);
}

test('controller', async () => {
  await unnoticed(() => restartComponent(cluster, 'ambit-controller'));
  await newPodWorks('after-controller');
});

test('CNI agent', async () => {
  await unnoticed(() => restartComponent(cluster, 'ambit-cni', second));
  await newPodWorks('after-cni');
});

test('containerd and kubelet', async () => {
  await unnoticed(async () => {
    await cluster.stop(second, 'kubelet');
    await cluster.stop(second, 'containerd');
    await cluster.start(second, 'containerd');
    await cluster.start(second, 'kubelet');
    await cluster.kubectl(['wait', '--for=condition=Ready', '--timeout=60s', `node/${second}`], { timeoutMs: 70_000 });
  });
  await newPodWorks('after-containerd');
});

test('API server', async () => {
  await unnoticed(async () => {
    await cluster.stop('server', 'kube-apiserver');
    await cluster.start('server', 'kube-apiserver');
  });
  await newPodWorks('after-api-server');
});

test('node agent killed: connections break, and nothing crosses in plaintext meanwhile', async () => {
  using link = watchLink(cluster, second);
  await using traffic = new Traffic(scene, CLIENT, SERVER, { timeoutMs: 2000 });
  const held = await HeldConnection.open(scene, CLIENT, SERVER);
  await traffic.flows();
  await killComponent(cluster, 'ambit-node-agent', second);
  assert.notEqual(await held.breaks(), '');
  await traffic.flows(20);
  assertEncrypted(link, 10_000);
  await rolledOut(cluster);
  await newPodWorks('after-node-agent');
});
