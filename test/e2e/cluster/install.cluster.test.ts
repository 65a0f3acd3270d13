import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPONENTS, componentPod, ensureAmbit, NAMESPACE, RELEASE } from './harness/ambit.ts';
import { Cluster } from './harness/cluster.ts';
import { residentMegabytes } from './harness/memory.ts';
import { report } from './harness/report.ts';

/** What each part may need at rest, in MB. */
const MEMORY_BUDGETS = { 'ambit-controller': 160, 'ambit-node-agent': 110, 'ambit-cni': 90 } as const;

const cluster = Cluster.fromEnvironment();

test('helm install: everything becomes Ready', async () => {
  await ensureAmbit(cluster);
  for (const node of cluster.nodes) {
    for (const component of ['ambit-node-agent', 'ambit-cni'] as const) {
      assert.notEqual((await componentPod(cluster, component, node)).name, '');
    }
  }
});

test('helm test', async () => {
  await cluster.helm(['test', RELEASE, '-n', NAMESPACE, '--timeout', '90s'], { timeoutMs: 100_000 });
});

test('every node has the plugin at the end of its network configuration, and no startup taint', async () => {
  for (const node of cluster.nodes) {
    const conflist = await cluster.onNode(node, ['sh', '-c', 'cat /etc/cni/net.d/*.conflist']);
    const { plugins } = JSON.parse(conflist) as { readonly plugins: readonly { readonly type: string }[] }; // lint: a test fails on anything else
    assert.equal(plugins.at(-1)?.type, 'ambit-cni');
    await cluster.onNode(node, ['test', '-x', '/opt/cni/bin/ambit-cni']);
    assert.doesNotMatch(await cluster.read(['node', node], '{.spec.taints[*].key}'), /ambit/);
  }
});

test('memory at rest is within its budget', async () => {
  for (const component of COMPONENTS) {
    const megabytes = await residentMegabytes(cluster, component);
    report(`memory at rest, ${component}`, `${megabytes} MB (budget ${MEMORY_BUDGETS[component]})`);
    assert.ok(megabytes <= MEMORY_BUDGETS[component], `${component}: ${megabytes} MB`);
  }
});
