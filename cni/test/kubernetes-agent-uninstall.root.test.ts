import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { rootTestOptions, type TestNetns, until } from '@ambit/mesh/testing';
import { installed, isRedirected, WAIT_MS } from './cluster-node.ts';
import { Node } from './stand-in-node.ts';

const options = rootTestOptions();

for (const how of ['its DaemonSet is deleted before it stops', 'it is told to'] as const) {
  test(`the agent leaves the node as it was when ${how}`, options, async () => {
    await using node = new Node();
    const before = node.hostFiles();
    const agent = node.nodeAgent();
    const netns = await node.netns('cart');
    const rules = netns.run('nft', 'list', 'ruleset') + netns.run('ip', 'rule');
    node.process(79, '0::/kubepods/pod0f0e0d0c-1111-2222-3333-444455556666/1\n', netns);
    node.pod('cart', { address: '10.1.0.5', uid: '0f0e0d0c-1111-2222-3333-444455556666' });
    const cni = await node.start();
    await installed(node);
    await agent.hears('add 0f0e0d0c-1111-2222-3333-444455556666', 'snapshot-sent');
    if (how === 'it is told to') {
      await cni.stop();
      assert.equal(await node.uninstall(), 0);
    } else {
      node.api.delete('DaemonSet', 'ambit-system', 'ambit-cni');
      // With the DaemonSet go the rights to ask for it.
      node.api.isDown = true;
      await cni.stop();
    }
    assert.deepEqual(node.hostFiles(), before);
    assert.equal(netns.run('nft', 'list', 'ruleset') + netns.run('ip', 'rule'), rules);
    assert.deepEqual([existsSync(node.path('state')), existsSync(node.path('run'))], [false, false]);
  });
}

test('once Ambit is uninstalled pods say nothing of the mesh, whatever the watch has shown', options, async () => {
  await using node = new Node();
  const agent = node.nodeAgent();
  const cni = await node.start();
  await installed(node);
  await agent.hears('snapshot-sent');
  for (const [name, address] of Object.entries({ cart: '10.1.0.5', late: '10.1.0.6' })) {
    node.pod(name);
    if (name === 'late') node.api.isLagging = true;
    await node.netns(name, address);
    assert.equal((await node.call('ADD', { name }, { address })).code, 0);
    await until('the annotation says so', () => node.annotation(name) === 'enabled', WAIT_MS);
  }
  node.api.delete('DaemonSet', 'ambit-system', 'ambit-cni');
  await cni.stop();
  assert.deepEqual([node.annotation('cart'), node.annotation('late')], [undefined, undefined]);
});

test('a call of the plugin during the uninstallation brings no pod back into the mesh', options, async () => {
  await using node = new Node();
  const agent = node.nodeAgent();
  const cni = await node.start();
  await installed(node);
  await agent.hears('snapshot-sent');
  const pods = new Map([
    ['cart', '10.1.0.5'],
    ['going', '10.1.0.6'],
  ]);
  const namespaces = new Map<string, TestNetns>();
  for (const [name, address] of pods) {
    node.pod(name);
    namespaces.set(name, await node.netns(name, address));
    assert.equal((await node.call('ADD', { name }, { address })).code, 0);
    node.pod(name, { address });
  }
  const isFree = (): boolean => [...namespaces.values()].every((netns) => !isRedirected(netns));
  node.api.delete('DaemonSet', 'ambit-system', 'ambit-cni');
  // It goes on trying to take the annotations away.
  node.api.isDown = true;
  const conflist = readFileSync(node.path('net.d/10-kit.conflist'), 'utf8');
  const stopped = cni.stop();
  await until('both pods are released', () => cni.statuses().length === 0, WAIT_MS);
  // A runtime that has read it before.
  writeFileSync(node.path('net.d/10-kit.conflist'), conflist);
  assert.equal((await node.call('DEL', { name: 'going' })).code, 0);
  assert.deepEqual(cni.statuses(), []);
  node.api.isDown = false;
  await stopped;
  assert.ok(isFree());
});
