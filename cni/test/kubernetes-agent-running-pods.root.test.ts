import assert from 'node:assert/strict';
import { unlinkSync } from 'node:fs';
import { test } from 'node:test';
import { rootTestOptions, until } from '@ambit/mesh/testing';
import { installed, isRedirected, WAIT_MS } from './cluster-node.ts';
import { AMBIENT, Node } from './stand-in-node.ts';

const options = rootTestOptions();

test(
  'a pod that runs already is found by its processes, captured when labelled, and let go again',
  options,
  async () => {
    await using node = new Node();
    const agent = node.nodeAgent();
    const uid = '0f0e0d0c-1111-2222-3333-444455556666';
    const netns = await node.netns('web');
    const before = netns.run('nft', 'list', 'ruleset') + netns.run('ip', 'rule');
    node.process(
      77,
      '0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0f0e0d0c_1111_2222_3333_444455556666.slice/cri-containerd-1.scope\n',
      netns,
    );
    node.pod('web', { namespace: 'plain', address: '10.1.0.5', uid });
    await using _cni = await node.start();
    await agent.hears('snapshot-sent');
    assert.ok(!isRedirected(netns));
    node.api.namespace('plain', AMBIENT);
    await agent.hears(`add ${uid}`);
    assert.ok(isRedirected(netns));
    node.api.namespace('plain');
    await agent.hears(`delete ${uid}`);
    await until(
      'the rules are gone',
      () => netns.run('nft', 'list', 'ruleset') + netns.run('ip', 'rule') === before,
      WAIT_MS,
    );
  },
);

test('annotations exclude ports of a pod while it runs, and a mistake is told', options, async () => {
  await using node = new Node();
  const agent = node.nodeAgent();
  const uid = '0f0e0d0c-1111-2222-3333-444455556666';
  const netns = await node.netns('cart');
  node.process(79, `11:memory:/kubepods/besteffort/pod${uid}/c0ffee\n`, netns);
  const annotate = (annotations: object): void => node.pod('cart', { uid, address: '10.1.0.5', annotations });
  annotate({ 'ambit.dev/exclude-outbound-ports': '3306' });
  await using _cni = await node.start();
  await agent.hears(`add ${uid}`, 'snapshot-sent');
  const rules = (): string => netns.run('nft', 'list', 'table', 'inet', 'ambit');
  assert.ok(rules().includes('3306'));
  annotate({ 'ambit.dev/exclude-outbound-ports': 'mysql' });
  await until('nothing is excluded', () => !rules().includes('3306'), WAIT_MS);
  const reasons = (): readonly string[] => node.api.events.map(({ reason }) => String(reason));
  await until('the mistake is told', () => reasons().includes('ExclusionRefused'), WAIT_MS);
  annotate({ 'ambit.dev/exclude-inbound-ports': '9100' });
  await until('a port of the pod is excluded', () => rules().includes('9100'), WAIT_MS);
  await until('that is told too', () => reasons().includes('InboundPortsExcluded'), WAIT_MS);
});

test(
  'an agent that starts again finds pods whose ADD an earlier one served, and lets go of an ended one',
  options,
  async () => {
    await using node = new Node();
    const agent = node.nodeAgent();
    const uid = '0f0e0d0c-1111-2222-3333-444455556666';
    const netns = await node.netns('cart');
    node.pod('cart', { uid });
    const first = await node.start();
    await installed(node);
    await agent.hears('snapshot-sent');
    assert.equal((await node.call('ADD', { name: 'cart', uid })).code, 0);
    await agent.hears(`add ${uid}`);
    await first.stop();
    assert.ok(
      isRedirected(netns) && node.hostFiles().join().includes('ambit-cni'),
      'an upgrade leaves everything in place',
    );
    node.pod('cart', { uid, address: '10.1.0.5' });
    node.process(78, `11:memory:/kubepods/besteffort/pod${uid}/c0ffee\n`, netns);
    await using second = await node.start();
    await agent.hears(`add ${uid}`, 'snapshot-sent');
    // The sandbox that goes is another one of the pod's.
    await node.netns('old');
    await node.call('DEL', { name: 'cart', uid }, { netns: 'old' });
    assert.equal(second.statuses().length, 1);
    await node.call('DEL', { name: 'cart', uid });
    await agent.hears(`delete ${uid}`);
    await until('the pod is forgotten', () => second.statuses().length === 0, WAIT_MS);
  },
);

test('a static pod is enrolled at ADD, found again by an agent that starts anew, and released', options, async () => {
  await using node = new Node();
  const agent = node.nodeAgent();
  const [mirror, kubeletUid] = ['0f0e0d0c-1111-2222-3333-444455556666', '0123456789abcdef0123456789abcdef'];
  const annotations = { 'kubernetes.io/config.mirror': kubeletUid };
  const netns = await node.netns('static');
  node.pod('static', { uid: mirror, annotations });
  const first = await node.start();
  await installed(node);
  await agent.hears('snapshot-sent');
  const added = await node.call('ADD', { name: 'static', uid: kubeletUid });
  assert.equal(added.code, 0, added.output);
  assert.ok(isRedirected(netns));
  await agent.hears(`add ${mirror}`);
  await first.stop();
  node.pod('static', { uid: mirror, annotations, address: '10.1.0.5' });
  node.process(80, `11:memory:/kubepods/burstable/pod${kubeletUid}/c0ffee\n`, netns);
  await using second = await node.start();
  await agent.hears(`add ${mirror}`, 'snapshot-sent');
  assert.deepEqual(
    second.statuses().map(({ state }) => state),
    ['enrolled'],
  );
  await second.stop();
  // Taken out while no agent was there: only what it wrote down, and the scan, tell where its rules are.
  node.pod('static', {
    uid: mirror,
    annotations,
    labels: { 'ambit.dev/mode': 'none' },
    address: '10.1.0.5',
  });
  await using third = await node.start();
  await until('its rules are gone', () => !isRedirected(netns) && third.statuses().length === 0, WAIT_MS);
});

test('a namespace that vanishes after ADD, before anything tells, is let go', options, async () => {
  await using node = new Node();
  const agent = node.nodeAgent();
  await using cni = await node.start();
  await installed(node);
  await agent.hears('snapshot-sent');
  await node.netns('cart');
  node.pod('cart');
  assert.equal((await node.call('ADD', { name: 'cart' })).code, 0);
  await agent.hears('add uid-of-cart');
  unlinkSync(node.path('netns/cart'));
  await agent.hears('delete uid-of-cart');
  assert.deepEqual(
    cni.statuses().map(({ state }) => state),
    ['enrolling'],
  );
  node.api.delete('Pod', 'shop', 'cart');
});
