import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { rootTestOptions, until } from '@ambit/mesh/testing';
import { installed, isRedirected, refusalOf, WAIT_MS } from './cluster-node.ts';
import { AMBIENT, Node } from './stand-in-node.ts';

const options = rootTestOptions();

test('a pod that starts is captured, and taken by the node agent, before ADD is answered', options, async () => {
  await using node = new Node();
  const agent = node.nodeAgent();
  await using cni = await node.start();
  await installed(node);
  await agent.hears('snapshot-sent');
  const netns = await node.netns('cart');
  node.pod('cart');
  const added = await node.call('ADD', { name: 'cart' });
  assert.equal(added.code, 0, added.output);
  assert.match(added.output, /"address":"10\.1\.0\.5\/24"/);
  assert.ok(isRedirected(netns));
  await agent.hears('add uid-of-cart');
  node.pod('cart', { address: '10.1.0.5' });
  await until('the annotation says so', () => node.annotation('cart') === 'enabled', WAIT_MS);
  assert.equal((await node.call('CHECK', { name: 'cart' })).code, 0);
  assert.equal((await node.call('DEL', { name: 'cart' })).code, 0);
  await agent.hears('delete uid-of-cart');
  await until('the pod is forgotten', () => cni.statuses().length === 0, WAIT_MS);
  assert.deepEqual(node.api.events, []);
});

test('pods outside the mesh start at once and untouched', options, async () => {
  await using node = new Node();
  await using cni = await node.start();
  await installed(node);
  const netns = await node.netns('web');
  node.pod('web', { namespace: 'plain' });
  node.pod('out', { labels: { 'ambit.dev/mode': 'none' } });
  for (const pod of [
    { namespace: 'plain', name: 'web' },
    { namespace: 'shop', name: 'out' },
    { namespace: 'kube-system', name: 'unheard-of' },
  ]) {
    assert.equal((await node.call('ADD', pod, { netns: 'web' })).code, 0);
  }
  assert.deepEqual([isRedirected(netns), cni.statuses()], [false, []]);
});

test('a label that the watch does not show yet counts, also when the watch is late', options, async () => {
  await using node = new Node();
  const agent = node.nodeAgent();
  await using _cni = await node.start();
  await installed(node);
  await agent.hears('snapshot-sent');
  node.api.isLagging = true;
  node.api.namespace('plain', AMBIENT);
  node.pod('web', { namespace: 'plain' });
  const netns = await node.netns('web');
  assert.equal((await node.call('ADD', { namespace: 'plain', name: 'web' })).code, 0);
  assert.ok(isRedirected(netns));
  // Should we die now, the plugin knows.
  assert.match(readFileSync(node.path('state/enrolment.list'), 'utf8'), /^enrolled plain$/m);
  // Another change, with what the watch had before: the pod is not let go.
  node.api.catchUp();
  await agent.hears('add uid-of-web');
  assert.ok(isRedirected(netns));
});

test('ADD fails, with a reason and an event, while the pod cannot be enrolled', options, async () => {
  await using node = new Node();
  const agent = node.nodeAgent();
  await using _cni = await node.start({ AMBIT_ENROLMENT_TIMEOUT: '2s' });
  await installed(node);
  await agent.hears('snapshot-sent');
  node.pod('cart');
  await node.netns('cart', '10.1.0.99');
  // Not its namespace: none of its addresses is there.
  const mismatch = refusalOf(await node.call('ADD', { name: 'cart' }));
  assert.match(mismatch, /^100 pod shop\/cart cannot be enrolled.*holds none of its addresses.*10\.1\.0\.5/);
  assert.match(refusalOf(await node.call('ADD', { name: 'cart', uid: 'another' })), /^11 .*has UID uid-of-cart by now/);
  assert.match(refusalOf(await node.call('ADD', { name: 'ghost' })), /^11 .*the pod does not exist any more/);
  const reasons = node.api.events.map(
    (event) => `${String(event['reason'])} ${String(Object(event['regarding']).name)}`,
  );
  assert.ok(reasons.includes('EnrolmentFailed cart'), reasons.join());
});

test('while no node agent takes the pod ADD fails, and is done when one does', options, async () => {
  await using node = new Node();
  const agent = node.nodeAgent();
  agent.error = 'ports are taken';
  await using _cni = await node.start();
  await installed(node);
  await until('the node agent is connected', () => agent.heard.length > 0, WAIT_MS);
  node.pod('cart');
  const netns = await node.netns('cart');
  const waiting = node.call('ADD', { name: 'cart' });
  await until('the node agent was asked', () => agent.heard.includes('add uid-of-cart'), WAIT_MS);
  // Captured and refused, never past the mesh.
  assert.ok(isRedirected(netns));
  agent.error = '';
  assert.equal((await waiting).code, 0);
});

test('with the API server away what is known decides, and what is not waits', options, async () => {
  await using node = new Node();
  const agent = node.nodeAgent();
  node.pod('cart');
  node.pod('web', { namespace: 'plain' });
  await using _cni = await node.start();
  await installed(node);
  await agent.hears('snapshot-sent');
  node.api.isDown = true;
  const netns = await node.netns('cart');
  assert.equal((await node.call('ADD', { name: 'cart' })).code, 0);
  assert.ok(isRedirected(netns));
  assert.equal((await node.call('ADD', { namespace: 'plain', name: 'web' })).code, 0);
  assert.match(refusalOf(await node.call('ADD', { name: 'new' })), /^11 .*API server cannot be reached/);
});

test('ADD of another sandbox waits until the pod is captured in that one', options, async () => {
  await using node = new Node();
  const agent = node.nodeAgent();
  await using cni = await node.start();
  await installed(node);
  await agent.hears('snapshot-sent');
  node.pod('cart');
  await node.netns('cart');
  assert.equal((await node.call('ADD', { name: 'cart' })).code, 0);
  // The kubelet has made another one; the DEL of the first has not come, or was not heard in time.
  const second = await node.netns('second');
  assert.equal((await node.call('ADD', { name: 'cart' }, { netns: 'second' })).code, 0);
  assert.ok(isRedirected(second));
  // The pod was deleted and made anew under its name, as a StatefulSet does: the old one is let go, or the new one, by UID.
  node.pod('cart', { uid: 'anew' });
  await node.netns('third');
  const anew = { name: 'cart', uid: 'anew' };
  assert.equal((await node.call('ADD', anew, { netns: 'third' })).code, 0);
  const uids = (): string =>
    cni
      .statuses()
      .map(({ uid }) => uid)
      .join();
  assert.equal(uids(), 'uid-of-cart,anew');
  assert.equal((await node.call('DEL', anew, { netns: 'third' })).code, 0);
  await until('the new one is let go', () => uids() === 'uid-of-cart', WAIT_MS);
});

test('while the agent is away the plugin lets only pods outside the mesh start', options, async () => {
  await using node = new Node();
  node.pod('single', { namespace: 'mixed', labels: AMBIENT, address: '10.1.0.7' });
  node.api.namespace('mixed');
  await (await node.start()).stop();
  const results = await Promise.all(
    ['plain', 'kube-system', 'ambit-system', 'shop', 'mixed', 'new'].map(async (namespace) => [
      namespace,
      (await node.call('ADD', { namespace, name: 'web' })).code,
    ]),
  );
  assert.deepEqual(Object.fromEntries(results), {
    plain: 0,
    'kube-system': 0,
    'ambit-system': 0,
    shop: 1,
    mixed: 1,
    new: 1,
  });
});

test('AMBIT_AWAY_ADMITS=excluded makes the pods of every other namespace wait', options, async () => {
  await using node = new Node();
  await (await node.start({ AMBIT_AWAY_ADMITS: 'excluded' })).stop();
  assert.equal((await node.call('ADD', { namespace: 'plain', name: 'web' })).code, 1);
  assert.equal((await node.call('ADD', { namespace: 'kube-system', name: 'dns' })).code, 0);
});

test('a disk that is full makes pods wait, and nothing else', options, async () => {
  await using node = new Node();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', node.path('state')]);
  try {
    const agent = node.nodeAgent();
    await using _cni = await node.start({ AMBIT_ENROLMENT_TIMEOUT: '8s' });
    await installed(node);
    await agent.hears('snapshot-sent');
    assert.throws(() => writeFileSync(node.path('state/other'), Buffer.alloc(128 << 10)), { code: 'ENOSPC' });
    node.api.namespace('plain', AMBIENT);
    // An old list that would let pods of `plain` start is worse than none.
    assert.ok(!existsSync(node.path('state/enrolment.list')));
    node.pod('cart');
    await node.netns('cart');
    assert.match(refusalOf(await node.call('ADD', { name: 'cart' })), /^100 .*(?:ENOSPC|no space)/);
    rmSync(node.path('state/other'));
    assert.equal((await node.call('ADD', { name: 'cart' })).code, 0);
  } finally {
    execFileSync('umount', ['-l', node.path('state')]);
  }
});
