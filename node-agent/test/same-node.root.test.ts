import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { workloadIdentity } from '@ambit/mesh/model';
import { type Clock, systemClock } from '@ambit/mesh/runtime';
import { buildPolicy, rootTestOptions } from '@ambit/mesh/testing';
import { type TestPod, until } from './pod-world.ts';
import { nft, SERVER, serveEcho, shortcuts, twoPods } from './same-node-world.ts';

const options = { ...rootTestOptions(), timeout: 60_000 };
/** Answers every piece as it comes. */
function serveTalk(pod: TestPod): Promise<unknown> {
  return pod.serve(8080, (socket) => socket.on('data', (chunk) => void socket.write(chunk)));
}

async function say(socket: Socket, text: string): Promise<void> {
  socket.write(text);
  const [data] = (await once(socket, 'data')) as [Buffer];
  assert.equal(data.toString(), text);
}

async function breakOf(socket: Socket): Promise<string | undefined> {
  const [error] = (await once(socket.resume(), 'error')) as [NodeJS.ErrnoException];
  return error.code;
}

/** Counts what reaches the tunnel port of a pod from now on. */
function countTunnelBytes(pod: TestPod): () => number {
  nft(pod, 'add table inet seen');
  nft(pod, 'add counter inet seen tunnel');
  nft(pod, 'add chain inet seen in { type filter hook input priority -200; }');
  nft(pod, 'add rule inet seen in tcp dport 15008 counter name tunnel');
  return () => Number(/bytes (\d+)/.exec(nft(pod, 'list counter inet seen tunnel'))?.[1]);
}

/** As a NetworkPolicy does that refuses the pod's callers: nothing more arrives, and nobody is told. */
function blockTunnels(pod: TestPod): void {
  nft(pod, 'add table inet blocked');
  nft(pod, 'add chain inet blocked in { type filter hook input priority -100; }');
  nft(pod, 'add rule inet blocked in tcp dport 15008 drop');
}

/** What a line says but for what differs from one connection to the next. */
function comparable(record: ReadonlyMap<string, string>): Record<string, string> {
  const { 'src.addr': source, duration: _, via: __, ...rest } = Object.fromEntries(record);
  return { ...rest, 'src.ip': String(source).replace(/:\d+$/, '') };
}

/** One connection of each kind, and all that is told of them. */
async function lifeOfConnections(sameNodeEncryption: boolean): Promise<{
  readonly lines: Record<'inbound' | 'outbound', readonly Record<string, string>[]>;
  readonly via: readonly (string | undefined)[];
  readonly traffic: readonly string[];
  readonly refusals: unknown;
  readonly peers: readonly (string | undefined)[];
  readonly tunnelBytes: number;
  readonly shortcuts: number;
}> {
  const policies = [buildPolicy({ name: 'no', action: 'deny', match: [{ ports: [8090] }] })];
  await using world = await twoPods({ settings: { sameNodeEncryption }, mesh: { policies } });
  const client = world.pod('client');
  const server = world.pod('server');
  const node = world.nodeOf('client');
  const peers: (string | undefined)[] = [];
  await serveEcho(server, peers);
  await server.serve(8081, (socket) => socket.once('data', () => socket.resetAndDestroy()).resume());
  const seen = countTunnelBytes(server);
  const payload = 'x'.repeat(1024 * 1024);
  assert.equal(await client.exchange(SERVER, payload), payload);
  const reset = client.dial('10.77.0.2:8081');
  reset.write('x');
  assert.equal(await breakOf(reset), 'ECONNRESET');
  // Nobody listens, a policy refuses, and a port that is the agent's own.
  for (const port of [8089, 8090, 15006]) await assert.rejects(client.exchange(`10.77.0.2:${port}`, 'x'));
  const closing = client.dial(SERVER);
  await once(closing, 'connect');
  await until(() => peers.length === 2);
  closing.resetAndDestroy();
  await until(() => node.lines.length === 12, 10_000);
  const { traffic, refusals } = node.metrics();
  const lines = { inbound: node.records('inbound'), outbound: node.records('outbound') };
  return {
    lines: { inbound: lines.inbound.map(comparable), outbound: lines.outbound.map(comparable) },
    via: [...lines.inbound, ...lines.outbound].map((record) => record.get('via')),
    traffic: traffic.labels
      .map((labels, row) => `${labels.join('|')} ${traffic.values.slice(row * 5, row * 5 + 5).join(' ')}`)
      .sort(),
    refusals: refusals.map(String).sort(),
    peers,
    tunnelBytes: seen(),
    shortcuts: shortcuts(node),
  };
}

describe('two pods of one agent', () => {
  test(
    'by the shortcut nothing is told otherwise than by a tunnel, and no payload meets the network',
    options,
    async () => {
      const encrypted = await lifeOfConnections(true);
      const short = await lifeOfConnections(false);
      for (const direction of ['inbound', 'outbound'] as const) {
        assert.deepEqual(short.lines[direction], encrypted.lines[direction], direction);
      }
      assert.deepEqual(short.traffic, encrypted.traffic);
      assert.deepEqual(short.refusals, encrypted.refusals);
      assert.deepEqual(short.peers, encrypted.peers);
      assert.deepEqual([...new Set(encrypted.via)], [undefined]);
      assert.deepEqual([...new Set(short.via)], ['same-node']);
      assert.deepEqual([encrypted.shortcuts, short.shortcuts], [0, 3]);
      assert.ok(encrypted.tunnelBytes > 1024 * 1024, `${encrypted.tunnelBytes} bytes with encryption`);
      assert.ok(short.tunnelBytes < 20_000, `${short.tunnelBytes} bytes by the shortcut`);
    },
  );

  test('a connection is cut when policy no longer admits it, and when a pod goes', options, async () => {
    await using world = await twoPods();
    await serveTalk(world.pod('server'));
    const node = world.nodeOf('client');
    const policy = world.pod('client').dial(SERVER);
    await say(policy, 'hello');
    const cut = breakOf(policy);
    world.update({ policies: [buildPolicy({ name: 'deny', action: 'deny', match: [{ namespaces: ['shop'] }] })] });
    assert.equal(await cut, 'ECONNRESET');
    await until(() => node.lines.length === 2);
    assert.equal(node.records('inbound')[0]?.get('error'), 'connection closed due to policy change');
    assert.equal(node.records('outbound')[0]?.get('error'), 'the tunnel peer reset the stream');
    await assert.rejects(world.pod('client').exchange(SERVER, 'x'));
    world.update({ policies: [], removedPolicies: [buildPolicy({ name: 'deny' }).key] });
    for (const name of ['server', 'client']) {
      const gone = world.pod('client').dial(SERVER);
      await say(gone, name);
      const broken = breakOf(gone);
      await world.remove(name);
      assert.equal(await broken, 'ECONNRESET');
      await world.capture(name);
    }
    assert.equal(shortcuts(node), 3);
  });

  test('a pod that drains keeps what it has until the deadline and takes nothing new', options, async () => {
    await using world = await twoPods({ settings: { notListeningMs: 0 } });
    await serveTalk(world.pod('server'));
    const kept = world.pod('client').dial(SERVER);
    await say(kept, 'before');
    const drained = world.remove('server', 60_000);
    await say(kept, 'after');
    await assert.rejects(world.pod('client').exchange(SERVER, 'x'));
    await say(kept, 'still');
    kept.resetAndDestroy();
    await drained;
    assert.equal(shortcuts(world.nodeOf('client')), 1);
  });

  test('a pod that comes again at the same address is met as who it is now', options, async () => {
    await using world = await twoPods();
    await serveEcho(world.pod('server'));
    assert.equal(await world.pod('client').exchange(SERVER, 'x'), 'x');
    const before = world.pod('server');
    const node = world.nodeOf('client');
    await world.remove('server');
    const workload = { ...before.workload, serviceAccount: 'another' };
    world.update({ workloads: [workload] });
    await assert.rejects(world.pod('client').exchange(SERVER, 'x'));
    Object.assign(before, { workload });
    await world.capture('server');
    assert.equal(await world.pod('client').exchange(SERVER, 'y'), 'y');
    await until(() => node.records('outbound').length === 3);
    assert.equal(node.records('outbound')[2]?.get('dst.identity'), workloadIdentity(workload));
    assert.equal(shortcuts(node), 2);
  });

  test('renewed certificates begin a new session, and the shortcut goes on over it', options, async () => {
    await using world = await twoPods();
    await serveTalk(world.pod('server'));
    const node = world.nodeOf('client');
    const kept = world.pod('client').dial(SERVER);
    await say(kept, 'before');
    for (const name of ['client', 'server']) {
      const identity = workloadIdentity(world.pod(name).workload);
      node.plane['set-svid']({ identity, svid: world.ca.issue(identity) });
      const next = world.pod('client').dial(SERVER);
      await say(next, name);
      await say(kept, 'goes on');
    }
    assert.equal(shortcuts(node), 3);
  });

  test('whichever worker accepts the session, the one with the client serves', options, async () => {
    await using world = await twoPods({ workers: 2 });
    await serveEcho(world.pod('server'));
    const node = world.nodeOf('client');
    const identity = workloadIdentity(world.pod('client').workload);
    for (let session = 1; session <= 12; session++) {
      assert.equal(await world.pod('client').exchange(SERVER, 'x'), 'x');
      assert.equal(shortcuts(node), session);
      const svid = world.ca.issue(identity);
      for (const plane of node.planes) plane['set-svid']({ identity, svid });
    }
  });
});

test('a certificate that has ended is no younger for a clock that is set back', options, async () => {
  let aheadMs = 0;
  let elapsedMs = 0;
  const clock: Clock = {
    ...systemClock,
    now: () => systemClock.now() + aheadMs,
    monotonic: () => systemClock.monotonic() + elapsedMs,
  };
  await using world = await twoPods({ clock });
  await serveTalk(world.pod('server'));
  const node = world.nodeOf('client');
  const identity = workloadIdentity(world.pod('client').workload);
  const hourMs = 3_600_000;
  node.plane['set-svid']({ identity, svid: world.ca.issue(identity, { notAfterMs: Date.now() + hourMs }) });
  const held = world.pod('client').dial(SERVER);
  await say(held, 'valid');
  // Two hours pass, and the wall clock does not.
  elapsedMs = 2 * hourMs;
  aheadMs = -1000;
  const late = world.pod('client').dial(SERVER);
  assert.equal(await breakOf(late), 'ECONNRESET');
  await until(() => node.records('inbound').some((record) => record.get('error')?.includes('expired') === true));
});

describe('without a session through the network there is no shortcut', () => {
  test('new connections end soon after the path is cut, in the way of a tunnel', options, async () => {
    await using world = await twoPods({ clock: hurried(3) });
    await serveEcho(world.pod('server'));
    const node = world.nodeOf('client');
    assert.equal(await world.pod('client').exchange(SERVER, 'x'), 'x');
    blockTunnels(world.pod('server'));
    // As long as the last answer counts they may go on.
    const untilRefused = async (): Promise<never> => {
      for (;;) {
        assert.equal(await world.pod('client').exchange(SERVER, 'x'), 'x');
        await systemClock.sleep(20);
      }
    };
    await assert.rejects(untilRefused(), { code: 'ECONNRESET' });
    const seen = shortcuts(node);
    await until(() => node.records('outbound').some((record) => record.has('error')));
    const [refused] = node.records('outbound').filter((record) => record.has('error'));
    assert.match(refused?.get('error') ?? '', /NetworkPolicy/);
    await assert.rejects(world.pod('client').exchange(SERVER, 'x'), { code: 'ECONNRESET' });
    assert.equal(shortcuts(node), seen);
  });

  test('what lives is cut once the session is known to be dead', options, async () => {
    await using world = await twoPods({ clock: hurried(10) });
    await serveTalk(world.pod('server'));
    const socket = world.pod('client').dial(SERVER);
    await say(socket, 'hello');
    const broken = breakOf(socket);
    blockTunnels(world.pod('server'));
    assert.equal(await broken, 'ECONNRESET');
    const node = world.nodeOf('client');
    await until(() => node.lines.length === 2);
    for (const direction of ['inbound', 'outbound'] as const) {
      assert.equal(node.records(direction)[0]?.get('error'), 'the tunnel peer stopped answering', direction);
    }
  });

  test('a policy that stands from the beginning lets nothing through', options, async () => {
    await using world = await twoPods();
    await serveEcho(world.pod('server'));
    blockTunnels(world.pod('server'));
    await assert.rejects(world.pod('client').exchange(SERVER, 'x'));
    assert.equal(shortcuts(world.nodeOf('client')), 0);
  });

  test('a session that ends in another process is a tunnel, though this one serves the pod too', options, async () => {
    await using world = await twoPods();
    await serveEcho(world.pod('server'));
    // Both serve the server, as while an agent is replaced; only the first serves the client.
    const old = world.nodeOf('client');
    const next = await world.takeOver('server');
    const identity = workloadIdentity(world.pod('client').workload);
    const sessions = 12;
    for (let session = 1; session <= sessions; session++) {
      assert.equal(await world.pod('client').exchange(SERVER, 'x'), 'x');
      await until(() => old.records('outbound').length === session);
      old.plane['set-svid']({ identity, svid: world.ca.issue(identity) });
    }
    const elsewhere = next.records('inbound').length;
    await until(() => old.records('inbound').length === sessions - elsewhere);
    assert.deepEqual([shortcuts(old), shortcuts(next)], [sessions - elsewhere, 0]);
  });
});

/** A clock that runs faster, so that what takes seconds takes less. */
function hurried(times: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() * times,
    setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / times, callback),
    sleep: (delayMs, signal) => systemClock.sleep(delayMs / times, signal),
  };
}
