import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { rootTestOptions } from '@ambit/mesh/testing';
import { PodWorld, until } from './pod-world.ts';

const options = { ...rootTestOptions(), timeout: 120_000 };
const MIB = 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void; // The function that the flag exposes.

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

test('ten thousand connections leave no descriptor, listener or memory behind', options, async () => {
  await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
  const server = await world.pod('server').serve(8080, (socket) => socket.end('x').resume());
  const runBatch = async (count: number): Promise<void> => {
    const running = Array.from({ length: 20 }, async () => {
      for (let i = 0; i < count / 20; i++) assert.equal(await world.pod('client').exchange('10.77.0.2:8080', ''), 'x');
    });
    await Promise.all(running);
    for (const name of ['client', 'server']) {
      const { open } = world.nodeOf(name).metrics();
      await until(() => open.source === 0 && open.destination === 0);
      world.nodeOf(name).lines.length = 0;
    }
  };
  await runBatch(1000);
  collectGarbage();
  const [descriptors, heap, listeners] = [
    openDescriptors(),
    process.memoryUsage().heapUsed,
    server.listenerCount('connection'),
  ];
  await runBatch(9000);
  collectGarbage();
  await until(() => openDescriptors() <= descriptors);
  assert.equal(server.listenerCount('connection'), listeners);
  const grownMib = (process.memoryUsage().heapUsed - heap) / MIB;
  assert.ok(grownMib < 20, `the heap grew by ${grownMib.toFixed(1)} MiB`);
  const { traffic } = world.nodeOf('server').metrics();
  assert.deepEqual([traffic.labels.length, ...traffic.values.slice(0, 3)], [1, 10_000, 10_000, 0]);
});

test('a destination that stops reading bounds what waits for it by the windows', options, async () => {
  await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
  await world.pod('server').serve(8080, (socket) => void socket.pause());
  const socket = world.pod('client').dial('10.77.0.2:8080');
  await once(socket, 'connect');
  const chunk = Buffer.alloc(MIB);
  let accepted = 0;
  let stalled = false;
  const before = process.memoryUsage();
  while (!stalled && accepted < 64 * MIB) {
    accepted += chunk.length;
    if (socket.write(chunk)) continue;
    stalled = await Promise.race([
      once(socket, 'drain').then(() => false),
      new Promise<boolean>((resolve) => setTimeout(resolve, 500, true)),
    ]);
  }
  assert.equal(stalled, true);
  const grown = process.memoryUsage().rss - before.rss;
  assert.ok(accepted < 32 * MIB, `${accepted / MIB} MiB were taken`);
  assert.ok(grown < 64 * MIB, `resident memory grew by ${grown / MIB} MiB`);
});

test('an application that does not read a plaintext connection stops its source', options, async () => {
  await using world = await PodWorld.create([{ name: 'outsider', captured: false }, { name: 'server' }]);
  await world.pod('server').serve(8080, (socket) => void socket.pause());
  const socket = world.pod('outsider').dial('10.77.0.2:8080');
  await once(socket, 'connect');
  const chunk = Buffer.alloc(MIB);
  let accepted = 0;
  let stalled = false;
  while (!stalled && accepted < 64 * MIB) {
    accepted += chunk.length;
    if (socket.write(chunk)) continue;
    stalled = await Promise.race([
      once(socket, 'drain').then(() => false),
      new Promise<boolean>((resolve) => setTimeout(resolve, 500, true)),
    ]);
  }
  assert.equal(stalled, true);
  assert.ok(accepted < 48 * MIB, `${accepted / MIB} MiB were taken`);
});

test('a pod takes no more connections than its limit, and counts the others', options, async () => {
  await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }], {
    settings: { connectionsPerPodMax: 2 },
  });
  await world.pod('server').serve(8080, (socket) => socket.on('end', () => socket.end()).pipe(socket, { end: false }));
  const held = [world.pod('client').dial('10.77.0.2:8080'), world.pod('client').dial('10.77.0.2:8080')];
  for (const socket of held) {
    socket.write('held');
    await once(socket, 'data');
  }
  const third = world.pod('client').dial('10.77.0.2:8080');
  await Promise.race([once(third.resume(), 'end'), once(third, 'error')]);
  const { plane } = world.nodeOf('client');
  assert.deepEqual(plane.metrics().refusals, [['outbound', 'too-many-connections', 1]]);
  held[0]?.end();
  await until(() => plane.metrics().open.source === 1);
  assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'room again'), 'room again');
});
