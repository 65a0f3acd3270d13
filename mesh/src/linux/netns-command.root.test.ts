import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { rootTestOptions, TestNetns } from '../testing/test-netns.ts';
import { NetnsHandle } from './netns.ts';
import { runCommandInNetns } from './netns-command.ts';

const options = rootTestOptions();
const timeoutMs = 5000;

test('runCommandInNetns() runs the program in the namespace and leaves this thread at home', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  const home = readlinkSync('/proc/thread-self/ns/net');
  const running = runCommandInNetns(handle, { program: 'readlink', args: ['/proc/self/ns/net'], timeoutMs });
  assert.equal(readlinkSync('/proc/thread-self/ns/net'), home);
  assert.deepEqual(await running, { code: 0, output: `net:[${handle.identity.inode}]\n`, errorOutput: '' });
});

test('runCommandInNetns() hands over input, output and exit code', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  const script = 'cat; echo trouble >&2; exit 3';
  assert.deepEqual(await runCommandInNetns(handle, { program: 'sh', args: ['-c', script], input: 'text', timeoutMs }), {
    code: 3,
    output: 'text',
    errorOutput: 'trouble\n',
  });
  const large = 'x'.repeat(1_000_000);
  const ignored = await runCommandInNetns(handle, { program: 'true', args: [], input: large, timeoutMs });
  assert.equal(ignored.code, 0);
});

test('runCommandInNetns() kills a program that takes too long or is no longer wanted', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  const sleep = { program: 'sleep', args: ['60'] };
  await assert.rejects(runCommandInNetns(handle, { ...sleep, timeoutMs: 20 }), { name: 'TimeoutError' });
  const abort = new AbortController();
  const running = runCommandInNetns(handle, { ...sleep, timeoutMs }, abort.signal);
  abort.abort();
  await assert.rejects(running, { name: 'AbortError' });
  await assert.rejects(runCommandInNetns(handle, { program: 'ambit-no-such', args: [], timeoutMs }), {
    code: 'ENOENT',
  });
});
