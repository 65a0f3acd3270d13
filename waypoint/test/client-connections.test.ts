import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeaks, connectBlock, dial, frameOf, securePeer, uint32, until, webSvid } from '@ambit/mesh/testing';
import { NO_COMPILED_EDITS } from '../src/http/header-edits.ts';
import { HttpWorld } from './http-world.ts';
import { GET, refusal } from './http1-messages.ts';

checkLeaks();

test('requests that come at once are answered in order, one exchange at a time', async () => {
  await using world = await HttpWorld.open({ kind: 'plain' });
  const client = await world.client();
  const paths = ['/1', '/2', '/3', '/4'];
  client.send(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\nX-Request-Id: x\r\n\r\n`).join(''));
  const server = await world.server();
  for (const [index, path] of paths.entries()) {
    await until(`${path} arrives`, () => server.text.includes(`GET ${path} `));
    assert.equal(server.take().split('HTTP/1.1\r\n').length, 2, 'one request at a time');
    server.send(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${index}`);
  }
  const out = (index: number): string => `HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n${index}`;
  await until('all is answered', () => client.text === [0, 1, 2, 3].map(out).join(''));
  assert.equal(world.served.length, 1, 'one connection was used again');
});

test('a thousand requests at once that are answered here need no stack', async () => {
  await using world = await HttpWorld.open({
    kind: 'plain',
    decide: () => ({ kind: 'answer', reason: 'no-route', status: 404, headers: NO_COMPILED_EDITS, route: '' }),
  });
  const client = await world.client();
  client.send(GET.repeat(1000));
  const one = refusal('404 Not Found', 'no route matches', false);
  await until('all is answered', () => client.bytes === one.length * 1000);
  assert.equal(client.text, one.repeat(1000));
});

for (const kind of ['plain', 'tunnel'] as const) {
  test(`an upgrade becomes a tunnel with half-close (${kind})`, async () => {
    await using world = await HttpWorld.open({ kind });
    const client = await world.client();
    client.keepsOpen = true;
    client.send('GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly');
    const server = await world.server();
    server.keepsOpen = true;
    await until('the request arrives', () => server.text.endsWith('\r\n\r\n'));
    assert.match(server.take(), /^GET \/ws HTTP\/1.1\r\nHost: h\r\nUpgrade: websocket\r\nconnection: Upgrade\r\n/);
    server.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello');
    const head = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nconnection: Upgrade\r\n\r\n';
    await until('the tunnel is open', () => client.text === `${head}hello`);
    await until('what came early arrives', () => server.text === 'early');
    client.send('GET / HTTP/1.1\r\n\r\n');
    client.carrier.end();
    await until('it is bytes now', () => server.text === 'earlyGET / HTTP/1.1\r\n\r\n' && server.ended);
    server.send('bye');
    server.carrier.end();
    await until('both are over', () => client.isOver && server.isOver);
    assert.equal(client.text, `${head}hellobye`);
    await until('it is recorded', () => world.exchanges.length === 1);
    assert.deepEqual([world.exchanges[0]?.status, world.exchanges[0]?.reason], [101, null]);
  });
}

test('a connection says what is held for a side that takes nothing, so that it can be cut', async () => {
  await using world = await HttpWorld.open({ kind: 'tunnel' });
  const held = (): readonly number[] => [...world.connections].map(({ heldBytes }) => heldBytes);
  const sender = await world.client();
  sender.send(GET);
  await until('its request is under way', () => world.served[0]?.text.endsWith('\r\n\r\n') === true);
  assert.deepEqual(held(), [0]);
  sender.send(Buffer.alloc(1_000_000, 'a'));
  await until('what follows is held', () => (held()[0] ?? 0) >= 1_000_000);
  sender.carrier.reset();
  await until('it is gone', () => world.connections.size === 0);

  const reader = await world.client();
  reader.carrier.pause();
  reader.send(GET);
  const server = await world.server(1);
  await until('it is asked', () => server.text.endsWith('\r\n\r\n'));
  server.send('HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n');
  for (let i = 0; i < 64; i += 1) server.send(Buffer.alloc(1_000_000, 'a'));
  await until('what is not read is held', () => (held()[0] ?? 0) > 0);
  for (const connection of world.connections) connection.destroy();
  await until('it is cut', () => reader.isOver);
});

test('what a connection holds is all that its client has not taken, also of one that takes it by the byte', async () => {
  const [data, headers, windowUpdate, initialWindowSize, endHeaders] = [0, 1, 8, 4, 4];
  await using world = await HttpWorld.open({ kind: 'tunnel' });
  await using client = await securePeer(dial(world.port), 'client', webSvid);
  client.greet([[initialWindowSize, 0]]);
  client.send(frameOf(headers, endHeaders, 1, connectBlock()), frameOf(data, 0, 1, Buffer.from(GET)));
  const server = await world.server();
  await until('it is asked', () => server.text.endsWith('\r\n\r\n'));
  server.send('HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n');
  server.send(Buffer.alloc(500_000, 'a'));
  await until('all but a few bytes are held', () => {
    client.send(frameOf(windowUpdate, 0, 1, uint32(1)));
    return [...world.connections].some(({ heldBytes }) => heldBytes > 490_000);
  });
});
