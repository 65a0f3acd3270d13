import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { applyObject, coreKind } from '../../test/e2e/kube/clients.ts';
import { kubectl } from '../../test/e2e/kube/custom-resources.ts';
import { KubernetesWorld } from './kubernetes-world.ts';

const LONG_MS = 60_000;
const CONFIG_MAPS = coreKind('configmaps', 'ConfigMap');
const NODES = coreKind('nodes', 'Node', 'cluster');
const PODS = coreKind('pods', 'Pod');
const NAME = 'ambit-ca-root-cert';

const stack = new AsyncDisposableStack();
after(() => stack.disposeAsync());
const world = stack.use(await KubernetesWorld.start());
await world.createNamespace('shop', { 'ambit.dev/mode': 'ambient' });
await world.createNamespace('legacy');
await world.createNamespace('mixed');
await world.createNode('n1');
stack.use(await world.startController({}, { AMBIT_STARTUP_TAINT: 'true' }));

/** The bundle in a namespace; null when there is none. */
async function bundleOf(namespace: string): Promise<string | null> {
  const { status, text } = await world.api.call('GET', `/api/v1/namespaces/${namespace}/configmaps/${NAME}`);
  if (status === 404) return null;
  const object = JSON.parse(text) as { readonly data?: Readonly<Record<string, string>> };
  return object.data?.['root-cert.pem'] ?? '';
}

const arrives = (namespace: string): Promise<string> =>
  until(`bundle in ${namespace}`, async () => ((await bundleOf(namespace)) ?? '') || null, LONG_MS);

test('namespaces of the mesh have the roots, others do not', async () => {
  const roots = await arrives('ambit-system');
  assert.match(roots, /^-----BEGIN CERTIFICATE-----/);
  assert.equal(await arrives('shop'), roots);
  assert.equal(await bundleOf('legacy'), null);
  assert.equal(await bundleOf('kube-system'), null);
});

test('a pod that is enrolled by itself brings the roots to its namespace', async () => {
  await world.createPod({
    namespace: 'mixed',
    name: 'one',
    serviceAccount: 'default',
    node: 'n1',
    ip: '10.1.0.9',
    labels: { 'ambit.dev/mode': 'ambient' },
  });
  assert.equal(await arrives('mixed'), await bundleOf('ambit-system'));
});

test('a bundle that somebody edits or removes comes back', async () => {
  const roots = await arrives('shop');
  await world.client.mergePatch(
    CONFIG_MAPS,
    { namespace: 'shop', name: NAME },
    { data: { 'root-cert.pem': 'forged' } },
    AbortSignal.timeout(LONG_MS),
  );
  // What is left is found at the next change in the cluster, at the latest after half a minute.
  await world.createNamespace('later', { 'ambit.dev/mode': 'ambient' });
  await until('it is repaired', async () => (await bundleOf('shop')) === roots, LONG_MS);
  await world.api.request('DELETE', `/api/v1/namespaces/shop/configmaps/${NAME}`);
  await world.createNamespace('even-later');
  await until('it is there again', async () => (await bundleOf('shop')) === roots, LONG_MS);
});

test('a namespace that leaves the mesh loses ours, and never what is not ours', async () => {
  await arrives('later');
  await applyObject(world.client, CONFIG_MAPS, { metadata: { namespace: 'legacy', name: NAME }, data: { mine: 'x' } });
  await world.createNamespace('later', { 'ambit.dev/mode': 'none' });
  await until('it is gone', async () => (await bundleOf('later')) === null, LONG_MS);
  assert.equal(await bundleOf('legacy'), '');
});

test('a node loses the startup taint once both of its agents are ready, and keeps its other taints', async () => {
  const other = { key: 'example.com/gpu', value: 'yes', effect: 'NoSchedule' };
  const taints = [{ key: 'ambit.dev/not-ready', effect: 'NoSchedule' }, other];
  await applyObject(world.client, NODES, { metadata: { name: 'n2' }, spec: { taints } });
  // The API server adds one of its own to every new node.
  const theirs = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
  const taintsOf = async (name: string): Promise<unknown> => {
    const node = await world.api.request('GET', `/api/v1/nodes/${name}`);
    return (node as { readonly spec: { readonly taints?: unknown } }).spec.taints;
  };
  await agentPod('ambit-cni');
  await agentPod('ambit-node-agent', false);
  await applyObject(world.client, NODES, { metadata: { name: 'n3' }, spec: { taints } });
  assert.deepEqual(await taintsOf('n2'), [...taints, theirs]);
  await agentPod('ambit-node-agent');
  const expected = JSON.stringify([other, theirs]);
  await until('the taint is lifted', async () => JSON.stringify(await taintsOf('n2')) === expected, LONG_MS);
  assert.deepEqual(await taintsOf('n3'), [...taints, theirs], 'a node without agents keeps it');
});

/** A pod of a DaemonSet on n2, as its controller and its kubelet leave it. */
async function agentPod(daemonSet: string, ready = true): Promise<void> {
  const name = { namespace: 'ambit-system', name: `${daemonSet}-n2` };
  const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: daemonSet, uid: '1', controller: true };
  await applyObject(world.client, PODS, {
    metadata: { ...name, ownerReferences: [owner] },
    spec: { nodeName: 'n2', serviceAccountName: daemonSet, containers: [{ name: 'app', image: 'x' }] },
  });
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  const status = { phase: 'Running', podIPs: [{ ip: '10.1.2.2' }], podIP: '10.1.2.2', conditions };
  await world.client.mergePatch(PODS, name, { status }, AbortSignal.timeout(LONG_MS), 'status');
}

test('who misspells the name of a waypoint is told by an event of the Service', async () => {
  await world.createNamespace('lost', {});
  const metadata = { name: 'web', labels: { 'ambit.dev/waypoint': 'nobody' } };
  await world.api.request('POST', '/api/v1/namespaces/lost/services', { metadata, spec: { ports: [{ port: 80 }] } });
  const told = (): string => kubectl(world.api, 'get', 'events', '-n', 'lost');
  await until('it is told', () => told().includes('WaypointMissing'), LONG_MS);
  assert.match(told(), /Warning +WaypointMissing +service\/web +label ambit\.dev\/waypoint names Gateway lost\/nobody/);
});

test('who misspells ambit.dev/mode is told by an event of the namespace or pod, once and whoever leads', async () => {
  await world.createNamespace('misspelt', { 'ambit.dev/mode': 'ambiant' });
  const labels = { 'ambit.dev/mode': 'yes' };
  const wish = { namespace: 'misspelt', name: 'web', serviceAccount: 'web', node: 'n1', ip: '10.1.0.77', labels };
  await world.createPod(wish);
  const notes = async (): Promise<readonly string[]> => {
    const list = await world.api.request('GET', '/apis/events.k8s.io/v1/namespaces/misspelt/events');
    const { items } = list as {
      readonly items: readonly { readonly note: string; readonly regarding: { readonly kind: string } }[];
    };
    return items.map(({ note, regarding }) => `${regarding.kind}: ${note}`).toSorted((a, b) => (a < b ? -1 : 1));
  };
  await until('both are told', async () => (await notes()).length === 2, LONG_MS);
  const expected = [
    /^Namespace: Ambit does not take it as it is: .*ambit\.dev\/mode.*"ambiant".*did you mean ambient\?/,
    /^Pod: Ambit does not take it as it is: .*ambit\.dev\/mode.*"yes"/,
  ];
  for (const [index, note] of (await notes()).entries()) assert.match(note, expected[index] ?? /^$/);
  assert.match(kubectl(world.api, 'describe', 'pod', 'web', '-n', 'misspelt'), /Warning +NotTaken .*ambit\.dev\/mode/);
  assert.match(kubectl(world.api, 'get', 'events', '-n', 'misspelt'), /Warning +NotTaken +namespace\/misspelt /);
});
