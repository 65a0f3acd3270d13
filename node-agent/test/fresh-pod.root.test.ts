import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rootTestOptions } from '@ambit/mesh/testing';
import { PodWorld, until } from './pod-world.ts';

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
