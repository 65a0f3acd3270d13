import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { rootTestOptions } from '@ambit/mesh/testing';
import type { WorkloadUsage } from '../src/accounting/pod-account.ts';
import { PodWorld, type TestPod, until } from './pod-world.ts';

const DIALS = 2000;

/** Everything to port 7000 gets lost there. */
const makeHole = ({ netns }: TestPod): void =>
  void netns.run('nft', 'table inet hole { chain input { type filter hook input priority 0; tcp dport 7000 drop; }; }');

const serveEcho = (pod: TestPod): Promise<unknown> => pod.serve(8080, (socket) => void socket.pipe(socket));

async function say(socket: Socket): Promise<void> {
  socket.write('hello');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'hello');
}

async function createWorld(): Promise<PodWorld> {
  const world = await PodWorld.create(
    [
      { name: 'dialler', onNode: 'a' },
      { name: 'neighbour', onNode: 'a' },
      { name: 'peer', onNode: 'b' },
      { name: 'stranger', onNode: 'b', captured: false },
    ],
    { settings: { connectTimeoutMs: 3000 } },
  );
  makeHole(world.pod('stranger'));
  await serveEcho(world.pod('dialler'));
  await serveEcho(world.pod('peer'));
  return world;
}

describe('a pod that dials where nobody answers', { ...rootTestOptions(), timeout: 60_000 }, () => {
  test('is reached by its callers while its own connections wait', async () => {
    await using world = await createWorld();
    await say(world.pod('neighbour').dial('10.77.0.3:8080'));
    const { plane } = world.nodeOf('dialler');
    const usage = (): WorkloadUsage | undefined => plane.workloads().find(({ pod }) => pod === 'dialler');
    const waiting = (): number => usage()?.connectionsWaiting ?? 0;
    for (let count = 0; count < DIALS; count++) world.pod('dialler').dial('10.77.0.4:7000');
    await until(() => waiting() > DIALS / 4, 10_000);
    // As a probe of its node comes, and as others of the mesh.
    await Promise.all([
      say(world.pod('stranger').dial('10.77.0.1:8080')),
      say(world.pod('peer').dial('10.77.0.1:8080')),
      say(world.pod('neighbour').dial('10.77.0.1:8080')),
    ]);
    assert.ok(waiting() > 0);
    // At once, and what waits and what is on its way with it.
    await world.remove('dialler');
    assert.equal(usage(), undefined);
    await say(world.pod('neighbour').dial('10.77.0.3:8080'));
  });
});

describe('what waits at a pod that is removed', { ...rootTestOptions(), timeout: 60_000 }, () => {
  test('is refused, and nothing of it gets to the application', async () => {
    const clients = ['one', 'two', 'three', 'four'];
    const plans = [{ name: 'server', onNode: 'b' }, ...clients.map((name) => ({ name, onNode: 'a' }))];
    // Each client begins three, of which the server begins three in all: the handshakes of tunnels count too.
    await using world = await PodWorld.create(plans, { settings: { connectionsPerSecondMax: 3, patienceMs: 10_000 } });
    let served = 0;
    const heard = new Set<number | undefined>();
    await world.pod('server').serve(8080, (socket) => {
      heard.add(socket.remotePort);
      served++;
    });
    const usage = (): WorkloadUsage | undefined =>
      world
        .nodeOf('server')
        .plane.workloads()
        .find(({ pod }) => pod === 'server');
    const calls = clients.flatMap((name) => [1, 2, 3].map(() => world.pod(name).dial('10.77.0.1:8080')));
    const ends = calls.map((socket) => new Promise((resolve) => void socket.once('close', resolve)));
    await until(() => (usage()?.connectionsWaiting ?? 0) >= 6, 10_000);
    const before = served;
    await world.remove('server');
    // A client tries again for a while.
    for (const name of clients) await world.remove(name);
    await Promise.all(ends);
    // The application hears of this one after whatever has come before.
    const last = world.pod('server').dial('127.0.0.1:8080');
    await until(() => heard.has(last.localPort));
    assert.ok(served <= before + 2, `${before} before, ${served} after`);
  });
});
