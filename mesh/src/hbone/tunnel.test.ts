import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { createHbonePool } from './pool.ts';
import { dbSvid, dial, environment, listen, listenHbone, targetOf, webSvid } from '../testing/tunnel-world.ts';

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
