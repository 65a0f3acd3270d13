import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { rootTestOptions } from '@ambit/mesh/testing';
import { PodWorld, readAll, type TestPod, until } from './pod-world.ts';

const options = { ...rootTestOptions(), timeout: 30_000 };

/** Answers what it was sent, once that has ended. */
async function serveEcho(pod: TestPod, peers: (string | undefined)[] = [], port = 8080): Promise<void> {
  await pod.serve(port, (socket) => {
    peers.push(socket.remoteAddress);
    void readAll(socket).then(
      (text) => socket.end(`echo ${text}`),
      () => {},
    );
  });
}

test('two enrolled pods talk through mutual TLS and the application sees its true peer', options, async () => {
  await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
  const peers: (string | undefined)[] = [];
  await serveEcho(world.pod('server'), peers);
  assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'hello'), 'echo hello');
  assert.deepEqual(peers, ['::ffff:10.77.0.1']);
  await until(() => world.nodeOf('server').lines.length === 1 && world.nodeOf('client').lines.length === 1);
  const [outbound] = world.nodeOf('client').records('outbound');
  const [inbound] = world.nodeOf('server').records('inbound');
  for (const record of [outbound, inbound]) {
    assert.equal(record?.get('message'), 'connection complete');
    assert.equal(record?.get('src.workload'), 'client');
    assert.equal(record?.get('src.identity'), 'spiffe://cluster.local/ns/shop/sa/client');
    assert.equal(record?.get('dst.workload'), 'server');
    assert.equal(record?.get('dst.identity'), 'spiffe://cluster.local/ns/shop/sa/server');
    assert.equal(record?.get('dst.addr'), '10.77.0.2:15008');
    assert.equal(record?.get('dst.hbone_addr'), '10.77.0.2:8080');
    assert.equal(record?.get('bytes_recv'), '5');
    assert.equal(record?.get('bytes_sent'), '10');
    assert.equal(record?.get('error'), undefined);
  }
});

test('IPv6 pods talk through the tunnel and see each other as IPv6', options, async () => {
  await using world = await PodWorld.create([
    { name: 'client', addresses: ['fd77::1'] },
    { name: 'server', addresses: ['fd77::2'] },
  ]);
  const peers: (string | undefined)[] = [];
  await serveEcho(world.pod('server'), peers);
  assert.equal(await world.pod('client').exchange('[fd77::2]:8080', 'six'), 'echo six');
  assert.deepEqual(peers, ['fd77::1']);
  await until(() => world.nodeOf('server').lines.length === 1);
  assert.equal(world.nodeOf('server').records('inbound')[0]?.get('dst.hbone_addr'), '[fd77::2]:8080');
});

test('a pod reaches itself and a neighbour on the same node through the tunnel', options, async () => {
  await using world = await PodWorld.create([
    { name: 'client', onNode: 'one' },
    { name: 'server', onNode: 'one' },
  ]);
  await serveEcho(world.pod('server'));
  await serveEcho(world.pod('client'));
  assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'near'), 'echo near');
  await until(() => world.nodeOf('client').lines.length === 2);
  // Its own address is on loopback, which is never captured.
  assert.equal(await world.pod('client').exchange('10.77.0.1:8080', 'self'), 'echo self');
});

test('eight megabytes pass both ways at once, byte for byte', options, async () => {
  await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
  const payload = Buffer.alloc(8 * 1024 * 1024);
  for (let i = 0; i < payload.length; i += 4) payload.writeUInt32LE((i * 2_654_435_761) >>> 0, i);
  const digest = createHash('sha256').update(payload).digest('hex');
  const digestOf = async (socket: Socket): Promise<string> => {
    const hash = createHash('sha256');
    for await (const chunk of socket) hash.update(chunk as Buffer); // A socket without encoding gives buffers.
    return hash.digest('hex');
  };
  const received = Promise.withResolvers<string>();
  await world.pod('server').serve(8080, (socket) => {
    socket.end(payload);
    digestOf(socket).then(received.resolve, received.reject);
  });
  const socket = world.pod('client').dial('10.77.0.2:8080');
  socket.end(payload);
  assert.deepEqual([await digestOf(socket), await received.promise], [digest, digest]);
  await until(() => world.nodeOf('client').lines.length === 1);
  const [record] = world.nodeOf('client').records('outbound');
  assert.deepEqual(
    [record?.get('bytes_sent'), record?.get('bytes_recv')],
    [String(payload.length), String(payload.length)],
  );
});

test('each direction ends on its own', options, async () => {
  await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
  const served = Promise.withResolvers<string>();
  await world.pod('server').serve(8080, (socket) => {
    socket.end('server has said all');
    readAll(socket).then(served.resolve, served.reject);
  });
  const socket = world.pod('client').dial('10.77.0.2:8080');
  assert.equal(await readAll(socket), 'server has said all');
  socket.end('client speaks on');
  assert.equal(await served.promise, 'client speaks on');
});

test('an application that resets resets its peer', options, async () => {
  await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
  await world.pod('server').serve(8080, (socket) => socket.once('data', () => socket.resetAndDestroy()).resume());
  const socket = world.pod('client').dial('10.77.0.2:8080');
  socket.write('x');
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
});

test('a service address leads to an endpoint on its target port', options, async () => {
  const { buildService } = await import('@ambit/mesh/testing');
  const service = buildService({ name: 'web', addresses: ['10.96.0.1'], ports: ['80:8080'] });
  await using world = await PodWorld.create(
    [{ name: 'client' }, { name: 'server', services: { [service.key]: ['80:8080'] } }],
    {
      mesh: { services: [service] },
    },
  );
  await serveEcho(world.pod('server'));
  assert.equal(await world.pod('client').exchange('10.96.0.1:80', 'vip'), 'echo vip');
  await until(() => world.nodeOf('server').lines.length === 1);
  for (const record of [world.nodeOf('client').records('outbound')[0], world.nodeOf('server').records('inbound')[0]]) {
    assert.equal(record?.get('dst.service'), service.hostname);
  }
});

test(
  'destinations outside the mesh and workloads that are not enrolled are reached in plain TCP',
  options,
  async () => {
    await using world = await PodWorld.create(
      [
        { name: 'client' },
        { name: 'legacy', captured: false },
        { name: 'outside', captured: false, addresses: ['10.77.9.9'] },
      ],
      // Only what lies in these ranges is the mesh's.
      { settings: { meshRanges: [] } },
    );
    await serveEcho(world.pod('legacy'));
    await serveEcho(world.pod('outside'));
    world.update({ removedWorkloads: [world.pod('outside').workload.uid] });
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'legacy'), 'echo legacy');
    assert.equal(await world.pod('client').exchange('10.77.9.9:8080', 'outside'), 'echo outside');
    const node = world.nodeOf('client');
    await until(() => node.lines.length === 2);
    assert.deepEqual(
      node
        .records('outbound')
        .map((record) => [
          record.get('dst.addr'),
          record.get('dst.workload'),
          record.get('bytes_recv'),
          record.get('error'),
        ]),
      [
        ['10.77.0.2:8080', 'legacy', '6', undefined],
        ['10.77.9.9:8080', undefined, '7', undefined],
      ],
    );
  },
);
