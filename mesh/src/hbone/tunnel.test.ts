import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { dbSvid, dial, environment, listen, listenHbone, targetOf, webSvid } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { HboneError } from './errors.ts';
import { createHbonePool } from './pool.ts';
import type { CarrierResult } from './carrier.ts';

test('a tunnel carries bytes and half-close both ways between two sockets', async () => {
  await using echo = await listen((socket) => {
    socket.pipe(socket);
  });
  const seen: string[] = [];
  await using server = await listenHbone((request) => {
    seen.push(request.authority, request.connection.peer, request.header('baggage') ?? '');
    const app = dial(echo.port);
    app.once('connect', () => request.accept([['baggage', 'b=2']]).splice(app, () => {}));
  });
  await using pool = createHbonePool<string>(environment);
  const done = Promise.withResolvers<unknown>();
  await using capture = await listen((socket) => {
    void pool
      .openTunnel(targetOf(server.port), { authority: '10.0.0.1:80', headers: [['baggage', 'a=1']] })
      .then((tunnel) => {
        seen.push(tunnel.peer, JSON.stringify(tunnel.headers));
        tunnel.stream.splice(socket, done.resolve);
      });
  });
  const app = dial(capture.port);
  app.write('hello ');
  app.end('world');
  let text = '';
  app.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(app, 'end');
  assert.equal(text, 'hello world');
  assert.deepEqual(await done.promise, { bytesSent: 11, bytesReceived: 11 });
  assert.deepEqual(seen, ['10.0.0.1:80', webSvid.id, 'a=1', dbSvid.id, '[["baggage","b=2"]]']);
});

test('a writer that is ahead of the link is told to wait and then to go on', async () => {
  let received = 0;
  await using server = await listenHbone((request) => {
    const stream = request.accept();
    stream.read({
      onBytes: (_memory, start, end) => {
        received += end - start;
      },
      onEnd: () => stream.end(),
      onClose: () => {},
    });
  });
  await using pool = createHbonePool<string>(environment);
  const { stream } = await pool.openTunnel(targetOf(server.port), { authority: 'a:1', headers: [] });
  const drained = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<unknown>();
  stream.read({ onBytes: () => {}, onEnd: () => {}, onDrain: drained.resolve, onClose: closed.resolve });
  const chunk = Buffer.alloc(100_000);
  let writes = 1;
  while (stream.write(chunk)) writes += 1;
  assert.ok(writes < 5, `${writes} writes of 100 kB in one turn`);
  await drained.promise;
  stream.end();
  assert.deepEqual(await closed.promise, { bytesSent: writes * 100_000, bytesReceived: 0 });
  assert.equal(received, writes * 100_000);
});

test('a connection that its server destroys ends the tunnels of both', async () => {
  const ends: unknown[] = [];
  const note = (result: CarrierResult): void => void ends.push(result.error?.code);
  const reader = { onBytes: () => {}, onEnd: () => {}, onClose: note };
  await using server = await listenHbone((request) => {
    request.accept().read(reader);
    setImmediate(() => request.connection.destroy(new HboneError('draining')));
  });
  await using pool = createHbonePool<string>(environment);
  const { stream } = await pool.openTunnel(targetOf(server.port), { authority: 'a:1', headers: [] });
  stream.read(reader);
  await until('both ends', () => ends.length === 2);
  assert.deepEqual(ends, ['draining', 'closed']);
});
