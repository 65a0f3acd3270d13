import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { workloadIdentity } from '@ambit/mesh/model';
import { rootTestOptions } from '@ambit/mesh/testing';
import type { WorkloadUsage } from '../src/accounting/pod-account.ts';
import { PodWorld, readAll, type TestNode, type TestPod, until } from './pod-world.ts';

const options = { ...rootTestOptions(), timeout: 60_000 };
const SERVER = '10.77.0.2:8080';
const MIB = 1024 * 1024;
const TEXT = 'x'.repeat(100_000);

/** Answers what it was sent, once that has ended. */
async function serveEcho(pod: TestPod): Promise<void> {
  await pod.serve(8080, (socket) => {
    void readAll(socket).then(
      (text) => socket.end(text),
      () => {},
    );
  });
}

const rowsOf = ({ plane }: TestNode): ReadonlyMap<string, WorkloadUsage> =>
  new Map(plane.workloads().map((usage) => [usage.pod, usage]));

const sumOf = (rows: ReadonlyMap<string, WorkloadUsage>): number =>
  [...rows.values()].reduce((sum, { cpuMicroseconds }) => sum + cpuMicroseconds, 0);

describe('accounts of the pods of a node', options, () => {
  for (const [way, onOneNode] of [
    ['through a tunnel', false],
    ['past it, on one node', true],
  ] as const) {
    test(`say what each pod sent, got and cost ${way}`, async () => {
      await using world = await PodWorld.create([
        { name: 'client', onNode: 'a' },
        { name: 'server', onNode: onOneNode ? 'a' : 'b' },
        { name: 'idle', onNode: 'a' },
      ]);
      await serveEcho(world.pod('server'));
      const [client, server] = [world.nodeOf('client'), world.nodeOf('server')];
      client.plane.workloads();
      server.plane.workloads();
      const before = process.threadCpuUsage().user;
      for (let count = 0; count < 5; count++) assert.equal(await world.pod('client').exchange(SERVER, TEXT), TEXT);
      await until(() => server.records('inbound').length === 5 && client.records('outbound').length === 5);
      const [clients, servers] = [rowsOf(client), rowsOf(server)];
      const bytes = 5 * TEXT.length;
      for (const row of [clients.get('client'), servers.get('server')]) {
        const { sentBytes, receivedBytes, connectionsOpened, connectionsOpen, bufferedBytes } = row ?? {};
        assert.deepEqual(
          { sentBytes, receivedBytes, connectionsOpened, connectionsOpen, bufferedBytes },
          { sentBytes: bytes, receivedBytes: bytes, connectionsOpened: 5, connectionsOpen: 0, bufferedBytes: 0 },
        );
        assert.ok((row?.cpuMicroseconds ?? 0) > 0);
        assert.equal(row?.handshakes, 1);
      }
      assert.equal(clients.get('idle')?.cpuMicroseconds, 0);
      // Nobody's and everybody's together are what this thread used.
      const sum = sumOf(clients);
      assert.ok(sum > before && sum <= process.threadCpuUsage().user, `${sum}`);
    });
  }

  test('tell what is on its way until it is carried, refused or given up', async () => {
    await using world = await PodWorld.create([
      { name: 'client', onNode: 'a' },
      { name: 'server', onNode: 'b' },
      { name: 'stranger', onNode: 'b', captured: false },
    ]);
    await serveEcho(world.pod('server'));
    const node = world.nodeOf('client');
    const opening = (): number | undefined => rowsOf(node).get('client')?.connectionsOpening;
    // By tunnel; nobody listens; past the tunnels; a port of the agent itself; an address that nobody has.
    assert.equal(await world.pod('client').exchange(SERVER, TEXT), TEXT);
    for (const address of ['10.77.0.2:8099', '10.77.0.3:8099', '10.77.0.2:15008']) {
      const refused = world.pod('client').dial(address);
      await new Promise((resolve) => refused.once('close', resolve));
    }
    await until(() => opening() === 0);
    const nowhere = world.pod('client').dial('10.77.0.99:8080');
    await until(() => opening() === 1);
    nowhere.resetAndDestroy();
    await until(() => opening() === 0);
    assert.equal(rowsOf(node).get('client')?.connectionsWaiting, 0);
  });

  test('tell what waits for an identity, for a peer that does not listen or does not answer, until that is over', async () => {
    await using world = await PodWorld.create(
      [
        { name: 'late', onNode: 'a', captured: false },
        { name: 'server', onNode: 'b' },
        { name: 'gone', onNode: 'c' },
        { name: 'hole', onNode: 'd' },
      ],
      { settings: { patienceMs: 1000 } },
    );
    await world.capture('late', { svid: false });
    const node = world.nodeOf('late');
    const opening = (): number | undefined => rowsOf(node).get('late')?.connectionsOpening;
    const dial = (address: string): Socket => world.pod('late').dial(address);
    // No identity comes: one client stays, one goes.
    dial('10.77.0.2:8080');
    const impatient = dial('10.77.0.2:8080');
    await until(() => opening() === 2);
    impatient.resetAndDestroy();
    await until(() => opening() === 0);
    const identity = workloadIdentity(world.pod('late').workload);
    node.plane['set-svid']({ identity, svid: world.ca.issue(identity) });
    await world.remove('gone');
    world
      .pod('hole')
      .netns.run(
        'nft',
        'table inet hole { chain input { type filter hook input priority -300; tcp dport 15008 drop; }; }',
      );
    for (const address of ['10.77.0.3:8080', '10.77.0.4:8080']) {
      dial(address);
      const leaving = dial(address);
      await until(() => opening() === 2);
      leaving.resetAndDestroy();
      await until(() => opening() === 0, 10_000);
    }
    // A pod that is served anew counts from nothing.
    dial('10.77.0.4:8080');
    await until(() => opening() === 1);
    await world.remove('late');
    assert.equal(opening(), undefined);
    await world.capture('late');
    assert.equal(opening(), 0);
  });

  test('show what waits for a slow reader, a refusal, and what a pod that is gone used', async () => {
    await using world = await PodWorld.create([
      { name: 'client', onNode: 'a' },
      { name: 'server', onNode: 'b' },
    ]);
    await world.pod('server').serve(8080, (socket) => socket.pause());
    const node = world.nodeOf('client');
    const socket = world.pod('client').dial(SERVER);
    socket.write(Buffer.alloc(32 * 1024 * 1024));
    await until(() => (rowsOf(world.nodeOf('server')).get('server')?.bufferedBytes ?? 0) > MIB);
    assert.equal(rowsOf(node).get('client')?.connectionsOpen, 1);
    const refused = world.pod('client').dial('10.77.0.2:15008');
    await new Promise((resolve) => refused.once('close', resolve));
    assert.equal(rowsOf(node).get('client')?.connectionsRefused, 1);
    await world.remove('client');
    const rows = rowsOf(node);
    assert.equal(rows.has('client'), false);
    const gone = rows.get('gone');
    assert.deepEqual([gone?.connectionsOpened, gone?.connectionsRefused, gone?.connectionsOpen], [1, 1, 0]);
    assert.ok((gone?.sentBytes ?? 0) > MIB);
  });

  test('end the connections that hold most where too many bytes wait for slow readers, and leave the others', async () => {
    const bufferedBytesMax = 8 * MIB;
    await using world = await PodWorld.create(
      [
        { name: 'client', onNode: 'a' },
        { name: 'server', onNode: 'b' },
      ],
      { settings: { bufferedBytesMax } },
    );
    await world.pod('server').serve(8080, (socket) => socket.pause());
    await world.pod('server').serve(8081, (socket) => socket.on('data', (chunk) => void socket.write(chunk)));
    const modest = world.pod('client').dial('10.77.0.2:8081');
    const say = async (text: string): Promise<void> => {
      modest.write(text);
      const [data] = (await once(modest, 'data')) as [Buffer];
      assert.equal(data.toString(), text);
    };
    await say('before');
    const filler = Buffer.alloc(32 * MIB);
    for (let count = 0; count < 6; count++) world.pod('client').dial(SERVER).write(filler);
    const node = world.nodeOf('server');
    const cut = (): number => new Map(node.metrics().cuts).get('buffer-limit') ?? 0;
    await until(() => cut() > 0);
    await until(() => (rowsOf(node).get('server')?.bufferedBytes ?? 0) <= bufferedBytesMax);
    await until(() => node.records('inbound').length === cut());
    for (const line of node.records('inbound')) assert.match(line.get('error') ?? '', /wait for slow readers/);
    await say('after');
    assert.equal(rowsOf(node).get('server')?.connectionsOpen, 7 - cut());
  });
});
