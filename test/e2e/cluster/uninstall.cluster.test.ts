import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { ensureAmbit, NAMESPACE, redirectionBecomes, RELEASE } from './harness/ambit.ts';
import { assertAllowed, SETTLE_MS } from './harness/calls.ts';
import { Cluster } from './harness/cluster.ts';
import { assertPlaintext, watchLink } from './harness/link.ts';
import { appPod } from './harness/pods.ts';
import { changesLeft } from './harness/saved-state.ts';
import { Scene } from './harness/scene.ts';
import { Traffic } from './harness/traffic.ts';

const NS = 'uninstall';
const CLIENT = `${NS}/client`;
const SERVER = `${NS}/server`;
const HELM_MS = 180_000;
const CHANGES_SHOWN_MAX = 40;

const cluster = Cluster.fromEnvironment();
const [, second] = cluster.nodes;
await ensureAmbit(cluster);
const scene = await Scene.openPair(cluster, NS);
let isOpen = true;
after(async () => {
  if (isOpen) await scene.close();
});

test('helm uninstall releases the pods, which talk on in plaintext', async () => {
  await redirectionBecomes(cluster, NS, 'client', 'enabled');
  await redirectionBecomes(cluster, NS, 'server', 'enabled');
  await using traffic = new Traffic(scene, CLIENT, SERVER, { timeoutMs: 2000 });
  await traffic.flows();
  await cluster.helm(['uninstall', RELEASE, '-n', NAMESPACE, '--wait', '--timeout', `${HELM_MS / 1000}s`], {
    timeoutMs: HELM_MS + 10_000,
  });
  await until(
    'no pod of Ambit is left',
    async () => (await cluster.read(['-n', NAMESPACE, 'pods'], '{.items[*].metadata.name}')) === '',
    SETTLE_MS,
  );
  await traffic.flows(20);
  using link = watchLink(cluster, second);
  await assertAllowed(scene, CLIENT, SERVER, { bytes: 10_000 });
  assertPlaintext(link);
});

test('no pod says any more that it is in the mesh', async () => {
  const annotations = await cluster.read(['pods', '-A'], '{range .items[*]}{.metadata.annotations}{"\\n"}{end}');
  assert.doesNotMatch(annotations, /ambit\.dev\/redirection/);
});

test('pods start as if Ambit had never been there', async () => {
  await cluster.apply(appPod(NS, 'afterwards', { node: second }));
  await scene.awaitPods([`${NS}/afterwards`]);
  await assertAllowed(scene, CLIENT, `${NS}/afterwards`);
});

test('the nodes are exactly as before: files, rules, configuration of the network, interfaces', async () => {
  isOpen = false;
  const deletion = cluster.kubectl(['delete', 'namespace', NAMESPACE, '--wait'], { timeoutMs: 120_000 });
  await Promise.all([scene.close(), deletion]);
  // The last pods are leaving.
  const changes = await changesLeft(cluster, SETTLE_MS);
  assert.equal(changes.length, 0, `the nodes are not as before:\n${changes.slice(0, CHANGES_SHOWN_MAX).join('\n')}`);
});

test('what policies and kinds there were is kept, as the chart says', async () => {
  const kinds = await cluster.read(['crd'], '{.items[?(@.spec.group=="ambit.dev")].spec.names.kind}');
  assert.deepEqual(kinds.split(' ').toSorted(), [
    'AccessPolicy',
    'EgressPolicy',
    'ExternalService',
    'ExternalWorkload',
    'MutualTLSPolicy',
  ]);
});
