import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NetnsHandle } from '@ambit/mesh/linux';
import { parseIpAddress } from '@ambit/mesh/model';
import { ManualClock, rootTestOptions, TestNetns } from '@ambit/mesh/testing';
import { CniError } from '../errors.ts';
import { ProcessNetnsFinder, SCAN_PAUSE_MS } from './process-netns-finder.ts';

const options = rootTestOptions();
const UID = '0f0e0d0c-1111-2222-3333-444455556666';
const POD = { namespace: 'shop', name: 'cart', uid: UID };
const ADDRESS = parseIpAddress('10.0.0.1');

/** A host's /proc and file system below a temporary directory; namespaces are real. */
class Host implements AsyncDisposable {
  readonly root: string = mkdtempSync(join(tmpdir(), 'ambit-proc-'));
  readonly clock: ManualClock = new ManualClock();
  readonly finder: ProcessNetnsFinder;
  readonly #stack: AsyncDisposableStack = new AsyncDisposableStack();

  constructor() {
    this.#stack.defer(() => rmSync(this.root, { recursive: true }));
    mkdirSync(join(this.root, 'proc'));
    const { root, clock } = this;
    this.finder = new ProcessNetnsFinder({ procDirectory: join(root, 'proc'), hostRoot: root, clock });
  }

  async netns(address = '10.0.0.1'): Promise<TestNetns> {
    const netns = this.#stack.use(await TestNetns.create());
    netns.run('ip', 'address', 'add', `${address}/32`, 'dev', 'lo');
    return netns;
  }

  process(id: number, cgroup: string, netns: TestNetns): void {
    mkdirSync(join(this.root, `proc/${id}/ns`), { recursive: true });
    writeFileSync(join(this.root, `proc/${id}/cgroup`), cgroup);
    symlinkSync(netns.path, join(this.root, `proc/${id}/ns/net`));
  }

  end(id: number): void {
    rmSync(join(this.root, `proc/${id}`), { recursive: true });
  }

  name(path: string, netns: TestNetns): void {
    symlinkSync(netns.path, join(this.root, path));
  }

  /** Inode of what is found; null for nothing. */
  found(uid: string = UID): bigint | null {
    return this.finder.identify({ ...POD, uid })?.inode ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

function inodeOf(netns: TestNetns): bigint {
  using handle = NetnsHandle.open(netns.path);
  return handle.identity.inode;
}

const underscored = UID.replaceAll('-', '_');
const HASH = '0123456789abcdef0123456789abcdef';
const cgroups: readonly (readonly [string, string, string])[] = [
  [
    'cgroup v1',
    UID,
    `12:pids:/kubepods/besteffort/pod${UID}/c0ffee\n11:memory:/kubepods/besteffort/pod${UID}/c0ffee\n`,
  ],
  [
    'cgroup v2 with systemd',
    UID,
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${underscored}.slice/cri-containerd-1.scope\n`,
  ],
  ['a cgroup namespace of ours', UID, `0::/../../pod${UID}/c0ffee\n`],
  ['a static pod', HASH, `0::/kubepods/burstable/pod${HASH}/c0ffee\n`],
];

for (const [what, uid, cgroup] of cgroups) {
  test(`a pod is found by its processes under ${what}`, options, async () => {
    await using host = new Host();
    const netns = await host.netns();
    host.process(7, cgroup, netns);
    assert.equal(host.found(uid), inodeOf(netns));
  });
}

test('a static pod is found by the UID that its kubelet gave it, not by that of its mirror', options, async () => {
  await using host = new Host();
  const netns = await host.netns();
  host.process(7, `0::/kubepods/burstable/pod${HASH}/c0ffee\n`, netns);
  using handle = host.finder.openUnchecked({ ...POD, kubeletUid: HASH });
  assert.equal(handle?.identity.inode, inodeOf(netns));
  assert.equal(host.finder.openUnchecked(POD), null);
});

test('processes of others are not taken for the pod', options, async () => {
  await using host = new Host();
  const netns = await host.netns();
  for (const [id, cgroup] of [
    '',
    `0::/pod${UID}0`,
    `0::/xpod${UID}`,
    `0::/${UID}`,
    '0::/pod-',
    `0::/user/pod${UID.slice(1)}/`,
  ].entries()) {
    host.process(id + 2, cgroup, netns);
  }
  assert.equal(host.found(), null);
});

test('what the runtime named wins; when it is gone, processes are looked at', options, async () => {
  await using host = new Host();
  const [named, scanned] = [await host.netns(), await host.netns()];
  host.process(7, `0::/pod${UID}/1\n`, scanned);
  host.name('cni-1', named);
  host.finder.attach(UID, '/cni-1');
  assert.equal(host.found(), inodeOf(named));
  unlinkSync(join(host.root, 'cni-1'));
  assert.equal(host.found(), inodeOf(scanned));
});

test('a detached pod has no namespace, whatever still runs, until it is attached again', options, async () => {
  await using host = new Host();
  const netns = await host.netns();
  host.process(7, `0::/pod${UID}/1\n`, netns);
  assert.notEqual(host.found(), null);
  host.finder.detach(UID);
  assert.deepEqual([host.found(), host.finder.openUnchecked(POD)], [null, null]);
  host.name('cni-2', netns);
  host.finder.attach(UID, '/cni-2');
  assert.equal(host.found(), inodeOf(netns));
  host.finder.detach(UID);
  host.finder.prune(() => false);
  assert.notEqual(host.found(), null);
});

test('the number of an ended process may belong to another pod', options, async () => {
  await using host = new Host();
  const [own, other] = [await host.netns(), await host.netns()];
  host.process(7, `0::/pod${UID}/1\n`, own);
  assert.equal(host.found(), inodeOf(own));
  host.end(7);
  host.process(7, `0::/pod${UID.replace('0f', 'ff')}/1\n`, other);
  assert.equal(host.found(), null);
  // Not looked for again at once: pods that are not there must not cost a look at all processes each.
  host.process(8, `0::/pod${UID}/1\n`, own);
  assert.equal(host.found(), null);
  await host.clock.advance(SCAN_PAUSE_MS);
  assert.equal(host.found(), inodeOf(own));
});

test('open() wants one of the addresses in it, and the namespace of the host is nobody’s', options, async () => {
  await using host = new Host();
  const netns = await host.netns('10.0.0.9');
  host.process(7, `0::/pod${UID}/1\n`, netns);
  const is = (code: string) => (error: unknown) => error instanceof CniError && error.code === code;
  assert.throws(() => host.finder.open(POD, [ADDRESS]), is('netns-mismatch'));
  using handle = host.finder.open(POD, [ADDRESS, parseIpAddress('10.0.0.9')]);
  assert.equal(handle.identity.inode, inodeOf(netns));
  host.process(1, '0::/init.scope\n', netns);
  assert.throws(() => host.finder.open(POD, [parseIpAddress('10.0.0.9')]), is('netns-not-found'));
});
