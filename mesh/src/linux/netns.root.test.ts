import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { rootTestOptions, TestNetns } from '../testing/test-netns.ts';
import { SyscallError } from './errors.ts';
import { NetnsHandle, runInNetns, sameNetns } from './netns.ts';

const options = rootTestOptions();
const currentNetns = (): string => readlinkSync('/proc/thread-self/ns/net');

test('runInNetns() runs its work in the namespace and comes home, also after a failure', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  const home = currentNetns();
  const inside = runInNetns(handle, currentNetns);
  assert.equal(inside, `net:[${handle.identity.inode}]`);
  assert.notEqual(inside, home);
  assert.equal(currentNetns(), home);
  assert.throws(
    () =>
      runInNetns(handle, () => {
        throw new Error('from inside');
      }),
    /from inside/,
  );
  assert.equal(currentNetns(), home);
});

test('runInNetns() refuses a descriptor that is no namespace and stays at home', options, () => {
  const home = currentNetns();
  using handle = NetnsHandle.open('/dev/null');
  assert.throws(
    () => runInNetns(handle, () => assert.fail('ran in no namespace')),
    (error: unknown) => error instanceof SyscallError && error.syscall === 'setns' && error.errno === 'EINVAL',
  );
  assert.equal(currentNetns(), home);
});

test('sameNetns() tells namespaces apart whatever descriptor or path they were opened by', options, async () => {
  await using first = await TestNetns.create();
  await using second = await TestNetns.create();
  using a = NetnsHandle.open(first.path);
  using again = NetnsHandle.open(first.path);
  using b = NetnsHandle.open(second.path);
  assert.deepEqual([sameNetns(a.identity, again.identity), sameNetns(a.identity, b.identity)], [true, false]);
});

test('NetnsHandle closes what it owns, leaves what it borrows, and refuses use after disposal', options, async () => {
  await using netns = await TestNetns.create();
  const fd = openSync(netns.path, 'r');
  const borrowed = NetnsHandle.borrow(fd);
  borrowed[Symbol.dispose]();
  assert.ok(fstatSync(fd).ino > 0);
  const owned = NetnsHandle.adopt(fd);
  owned[Symbol.dispose]();
  owned[Symbol.dispose]();
  assert.throws(() => fstatSync(fd), { code: 'EBADF' });
  assert.equal(owned.isOpen, false);
  assert.throws(() => runInNetns(owned, () => assert.fail('ran after disposal')), /disposed/);
});

test('NetnsHandle keeps a namespace alive that nothing else holds', options, async () => {
  const netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  await netns[Symbol.asyncDispose]();
  assert.match(
    runInNetns(handle, () => readFileSync('/proc/thread-self/net/dev', 'utf8')),
    /lo:/,
  );
});

test('runInNetns() aborts the process when it cannot come home', options, async () => {
  await using netns = await TestNetns.create();
  const module = new URL('netns.ts', import.meta.url).href;
  const program = `
    import { closeSync, readdirSync, readlinkSync } from 'node:fs';
    import { NetnsHandle, runInNetns } from ${JSON.stringify(module)};
    const handle = NetnsHandle.open(${JSON.stringify(netns.path)});
    const home = readlinkSync('/proc/thread-self/ns/net');
    const isHome = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd) === home; } catch { return false; } };
    runInNetns(handle, () => readdirSync('/proc/self/fd').filter(isHome).forEach((fd) => closeSync(Number(fd))));
    console.log('went on');`;
  const ended = spawnSync(process.execPath, ['--conditions=source', '--input-type=module', '-e', program]);
  assert.deepEqual([ended.signal, ended.stdout.toString()], ['SIGABRT', '']);
});

test('NetnsHandle.duplicate() outlives the handle it was made of', options, async () => {
  await using netns = await TestNetns.create();
  const first = NetnsHandle.open(netns.path);
  using second = first.duplicate();
  first[Symbol.dispose]();
  assert.equal(runInNetns(second, currentNetns), `net:[${second.identity.inode}]`);
});

test('NetnsHandle.adopt() closes the descriptor of something it cannot use', () => {
  const fd = openSync('/dev/null', 'r');
  closeSync(fd);
  assert.throws(() => NetnsHandle.adopt(fd), { code: 'EBADF' });
});
