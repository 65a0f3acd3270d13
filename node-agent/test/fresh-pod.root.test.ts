import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { workloadIdentity } from '@ambit/mesh/model';
import { frameOf, type Http2Peer, rootTestOptions, securePeer, uint32 } from '@ambit/mesh/testing';
import { PodWorld, until } from './pod-world.ts';

const DATA = 0;
const SETTINGS = 4;
const GOAWAY = 7;
const options = { ...rootTestOptions(), timeout: 120_000 };

describe('a pod that is known before its agent listens for it', () => {
  test('is reached as soon as it does', options, async () => {
    await using world = await PodWorld.create(
      [{ name: 'client' }, { name: 'server', captured: false, tunnelProtocol: 'hbone' }],
      { settings: { notListeningMs: 60_000 } },
    );
    world.redirect('server');
    await world.pod('server').serve(8080, (socket) => void socket.end('ok'));
    const call = world.pod('client').exchange('10.77.0.2:8080', 'x');
    await new Promise((resolve) => setImmediate(resolve));
    await world.capture('server');
    assert.equal(await call, 'ok');
    await until(() => world.nodeOf('client').lines.length === 1);
    assert.equal(world.nodeOf('client').records('outbound')[0]?.get('message'), 'connection complete');
  });

  test('is reached although what listened before it resets connections as it stops', options, async () => {
    await using world = await PodWorld.create(
      [{ name: 'client' }, { name: 'server', captured: false, tunnelProtocol: 'hbone' }],
      { settings: { notListeningMs: 60_000 } },
    );
    world.redirect('server');
    await world.pod('server').serve(8080, (socket) => void socket.end('ok'));
    let resets = 0;
    const stopping = await world.pod('server').serve(15008, (socket) => {
      resets++;
      socket.resetAndDestroy();
    });
    const call = world.pod('client').exchange('10.77.0.2:8080', 'x');
    await until(() => resets > 1);
    await new Promise((resolve) => stopping.close(resolve));
    await world.capture('server');
    assert.equal(await call, 'ok');
  });

  for (const becomes of ['hbone', 'none'] as const) {
    const outcome = becomes === 'hbone' ? 'is said again' : 'goes nowhere else than into a tunnel, and never in part';
    test(`what was read for tunnels that nobody heard of ${outcome}`, options, async () => {
      await using world = await PodWorld.create(
        [{ name: 'client' }, { name: 'server', captured: false, tunnelProtocol: 'hbone' }],
        { settings: { notListeningMs: 60_000 } },
      );
      if (becomes === 'hbone') world.redirect('server');
      const { workload } = world.pod('server');
      await world.pod('server').serve(8080, (socket) => void socket.pipe(socket));
      const peers: Http2Peer[] = [];
      const leaving = await world.pod('server').serve(15008, (socket) => {
        void securePeer(socket, 'server', world.ca.issue(workloadIdentity(workload))).then((peer) => {
          peer.send(frameOf(SETTINGS, 0, 0));
          peers.push(peer);
        });
      });
      const call = world.pod('client').exchange('10.77.0.2:8080', 'hello');
      const ended = call.catch((error: NodeJS.ErrnoException) => error.code);
      for (const turn of [0, 1]) {
        await until(() => peers.length > turn);
        await peers[turn]?.receive(DATA, 1);
        if (turn === 1) {
          if (becomes === 'none') world.update({ workloads: [{ ...workload, tunnelProtocol: 'none' }] });
          leaving.close();
          if (becomes === 'hbone') await world.capture('server');
        }
        // Nothing was done about the request.
        peers[turn]?.send(frameOf(GOAWAY, 0, 0, uint32(0, 0)));
      }
      assert.equal(await ended, becomes === 'hbone' ? 'hello' : 'ECONNRESET');
    });
  }

  test('is given up after a while, with the reason', options, async () => {
    await using world = await PodWorld.create([
      { name: 'client' },
      { name: 'server', captured: false, tunnelProtocol: 'hbone' },
    ]);
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), { code: 'ECONNRESET' });
    const [record] = world.nodeOf('client').records('outbound');
    assert.match(record?.get('error') ?? '', /^the tunnel connection could not be opened: ECONNREFUSED$/);
    assert.ok(Number.parseInt(record?.get('duration') ?? '', 10) >= 500, record?.get('duration'));
  });
});
