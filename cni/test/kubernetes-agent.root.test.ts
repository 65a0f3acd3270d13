import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { rootTestOptions, type TestNetns, until } from '@ambit/mesh/testing';
import { BuiltPlugin } from './built-plugin.ts';
import { ClusterNode, installed, isRedirected, refusalOf, WAIT_MS } from './cluster-node.ts';
import { StandInApi } from './stand-in-api.ts';

const options = rootTestOptions();
const built = new BuiltPlugin();
after(() => built[Symbol.dispose]());

const AMBIENT = { 'ambit.dev/mode': 'ambient' };

/** A node whose API server is a stand-in; kubernetes-agent.kube.test.ts has the real one. */
class Node extends ClusterNode {
  readonly api: StandInApi;

  constructor() {
    const api = new StandInApi();
    super(built, () => ({ client: api.client, source: api, [Symbol.dispose]: () => {} }));
    this.api = api;
    api.put({ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { namespace: 'ambit-system', name: 'ambit-cni' } });
    for (const name of ['kube-system', 'ambit-system', 'plain']) api.namespace(name);
    api.namespace('shop', AMBIENT);
  }

  /** What the API server says of a pod; without an address, as long as its network is being made. */
  pod(
    name: string,
    more: { namespace?: string; labels?: object; annotations?: object; address?: string; uid?: string } = {},
  ): void {
    const { namespace = 'shop', labels = {}, annotations = {}, address, uid = `uid-of-${name}` } = more;
    this.api.put({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, uid, labels, annotations },
      spec: { nodeName: 'here', serviceAccountName: 'default' },
      status: address === undefined ? { phase: 'Pending' } : { phase: 'Running', podIPs: [{ ip: address }] },
    });
  }

  annotation(name: string): unknown {
    const metadata: object = Object(this.api.objects.get(`Pod/shop/${name}`)?.['metadata']);
    return Reflect.get(Object(Reflect.get(metadata, 'annotations')), 'ambit.dev/redirection');
  }
}

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
