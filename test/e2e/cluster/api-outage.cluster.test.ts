import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@ambit/mesh/testing';
import { componentPid, componentPods, ensureAmbit, redirectionBecomes, rolledOut } from './harness/ambit.ts';
import { assertAllowed, becomesAllowed, becomesDenied, SETTLE_MS } from './harness/calls.ts';
import { Cluster } from './harness/cluster.ts';
import { assertEncrypted, watchLink } from './harness/link.ts';
import { appPod } from './harness/pods.ts';
import { Scene } from './harness/scene.ts';
import { HeldConnection, Traffic } from './harness/traffic.ts';

const NS = 'api-outage';
const CLIENT = `${NS}/client`;
const SERVER = `${NS}/server`;
const SECOND_SERVER = `${NS}/second-server`;
const OUTAGE_MS = 180_000;

const cluster = Cluster.fromEnvironment();
const [first, second] = cluster.nodes;
await ensureAmbit(cluster);
const scene = await Scene.open(cluster, {
  namespaces: { [NS]: 'ambient' },
  objects: [
    appPod(NS, 'client', { node: first }),
    appPod(NS, 'server', { node: second }),
    // Nobody calls it before the API server is away.
    appPod(NS, 'second-server', { node: second }),
  ],
  clients: [CLIENT],
});
after(() => scene.close());

test('three minutes without API server, all controllers killed meanwhile: pods do not notice', async () => {
  // Asked while it can be: whom to kill later.
  const controllers = await componentPods(cluster, 'ambit-controller');
  const processes = await Promise.all(
    controllers.map(async (pod) => ({ node: pod.node, pid: await componentPid(cluster, pod) })),
  );
  using link = watchLink(cluster, second);
  await using traffic = new Traffic(scene, CLIENT, SERVER);
  const held = await HeldConnection.open(scene, CLIENT, SERVER);
  await traffic.flows();
  const began = performance.now();
  await cluster.stop('server', 'kube-apiserver');
  try {
    await traffic.flows();
    for (const { node, pid } of processes) await cluster.onNode(node, ['kill', '-KILL', pid]);
    await assertAllowed(scene, CLIENT, SECOND_SERVER, { bytes: 10_000 });
    await sleep(Math.max(0, OUTAGE_MS - (performance.now() - began)));
    await assertAllowed(scene, CLIENT, SECOND_SERVER, { bytes: 10_000 });
  } finally {
    await cluster.start('server', 'kube-apiserver');
  }
  // By themselves these two look for it again only after up to a minute: the time of Kubernetes, not of Ambit.
  await Promise.all(
    cluster.nodes.flatMap((node) => [cluster.restart(node, 'kube-proxy'), cluster.restart(node, 'kubelet')]),
  );
  await traffic.flows(20);
  await held.assertWhole();
  await traffic.assertUnbroken();
  assertEncrypted(link, 100_000);
});

test('afterwards everything catches up', async () => {
  const objects = [
    appPod(NS, 'late', { node: second }),
    {
      apiVersion: 'ambit.dev/v1alpha1',
      kind: 'AccessPolicy',
      metadata: { namespace: NS, name: 'nobody' },
      spec: { selector: { matchLabels: { app: 'server' } }, action: 'Allow', rules: [] },
    },
  ];
  // Policies can be written once a controller is there to check them.
  await until('objects can be written', () => cluster.apply(...objects).catch(() => null), SETTLE_MS);
  await rolledOut(cluster);
  await scene.awaitPods([`${NS}/late`]);
  await redirectionBecomes(cluster, NS, 'late', 'enabled');
  // Its node agents may not be with a controller again yet: refused until it has its certificate.
  await becomesAllowed(scene, CLIENT, `${NS}/late`);
  await becomesDenied(scene, CLIENT, SERVER);
  assert.equal((await assertAllowed(scene, CLIENT, SECOND_SERVER)).status, 200);
});
