import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { AppHandle, type SpawnProgram } from './apps/app-handle.ts';
import { LinkCapture } from './capture.ts';
import { type HostPlan, LINK_INTERFACE, NETNS_DIRECTORY, WorldNetwork } from './network.ts';
import { requireSandbox } from './sandbox.ts';

const skip = requireSandbox();

const hosts: readonly HostPlan[] = [
  {
    name: 'host-a',
    podBlocks: ['10.10.1.0/24', 'fd10:10:1::/64'],
    pods: [{ namespace: 'shop', name: 'cart', addresses: ['10.10.1.10', 'fd10:10:1::10'] }],
  },
  {
    name: 'host-b',
    podBlocks: ['10.10.2.0/24', 'fd10:10:2::/64'],
    pods: [{ namespace: 'shop', name: 'db', addresses: ['10.10.2.10', 'fd10:10:2::10'] }],
  },
];

const names = (): string[] => {
  try {
    return readdirSync(NETNS_DIRECTORY).sort();
  } catch {
    return [];
  }
};

test('WorldNetwork carries both families between pods of two hosts, and the capture sees their bytes', {
  skip,
}, async () => {
  const before = names();
  {
    using network = WorldNetwork.create(hosts);
    const inPod =
      (name: string): SpawnProgram =>
      (command, args) =>
        network.spawnInPod({ namespace: 'shop', name }, command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    await using server = await AppHandle.start({ name: 'db', httpPort: 8080 }, inPod('db'));
    await using client = await AppHandle.start({ name: 'cart' }, inPod('cart'));
    using capture = new LinkCapture(LINK_INTERFACE, 'find-me!', 8080);

    for (const [ip, source] of [
      ['10.10.2.10', '10.10.1.10:'],
      ['fd10:10:2::10', '[fd10:10:1::10]:'],
    ] as const) {
      const call = await client.run({
        op: 'http',
        ip,
        port: 8080,
        path: '/',
        body: 'find-me!',
        bodyBytes: 100_000,
        timeoutMs: 3000,
      });
      assert.deepEqual(
        { ok: call.ok, servedBy: call.servedBy, error: call.error },
        { ok: true, servedBy: 'db', error: undefined },
      );
      assert.ok(call.seenSource?.startsWith(source), call.seenSource);
    }
    const report = capture.report();
    assert.ok(report.markers > 20_000, `markers ${report.markers}`);
    assert.ok(report.tunnelBytes >= 200_000, `bytes ${report.tunnelBytes}`);
    assert.equal(report.tlsApplicationBytes, 0);
    assert.equal(server.served.length, 2);
  }
  assert.deepEqual(names(), before);
  assert.notEqual(spawnSync('ip', ['link', 'show', LINK_INTERFACE]).status, 0);
});
