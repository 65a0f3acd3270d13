import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { HttpWorld } from './http-world.ts';
import { ask, askOn, type Response, type Request, serve } from './peers.ts';

checkLeaks();

const open = (port: number): Promise<HttpWorld> =>
  HttpWorld.open({ kind: 'plain', clientProtocol: 'http2', protocol: 'http2', serverPorts: [port] });

const ok = (request: Request, response: Response): void => {
  request.resume();
  request.on('end', () => response.end(Buffer.from('ok')));
};

test('what a server has refused without looking at it is sent again, whatever it is', async () => {
  let refused = 0;
  await using peer = await serve('http2', (request, response) => {
    if (refused === 0 && 'stream' in request) {
      refused += 1;
      request.stream.on('error', () => {}).close(http2.constants.NGHTTP2_REFUSED_STREAM);
    } else ok(request, response);
  });
  await using world = await open(peer.port);
  const reply = await ask('http2', world.port, { method: 'POST', body: 'once' });
  assert.equal(reply.body.toString(), 'ok');
  await until('it is recorded', () => world.exchanges.length === 1);
  assert.deepEqual([world.exchanges[0]?.attempts, world.exchanges[0]?.reason], [2, null]);
});

test('a server that takes its leave is asked no more on that connection, and what is under way ends well', async () => {
  const sessions: http2.ServerHttp2Session[] = [];
  const waiting: (() => void)[] = [];
  await using peer = await serve(
    'http2',
    (request, response) => {
      if (request.url === '/slow') waiting.push(() => response.end(Buffer.from('late')));
      else ok(request, response);
    },
    (session) => sessions.push(session),
  );
  await using world = await open(peer.port);
  const slow = ask('http2', world.port, { path: '/slow' });
  await until('it is under way', () => waiting.length === 1);
  sessions[0]?.close();
  const next = await ask('http2', world.port, { path: '/next' });
  assert.equal(next.body.toString(), 'ok');
  waiting[0]?.();
  assert.equal((await slow).body.toString(), 'late');
  assert.equal(sessions.length, 2);
});

test('a server that takes few requests at a time gets the others over further connections', async () => {
  const sessions: http2.ServerHttp2Session[] = [];
  await using peer = await serve(
    'http2',
    (request, response) => {
      setTimeout(() => ok(request, response), 5);
    },
    (session) => sessions.push(session),
    { maxConcurrentStreams: 4 },
  );
  await using world = await open(peer.port);
  const session = http2.connect(`http://127.0.0.1:${world.port}`);
  await askOn(session, {});
  const replies = await Promise.all(Array.from({ length: 40 }, () => askOn(session, { method: 'POST', body: 'b' })));
  assert.ok(replies.every(({ status }) => status === 200));
  assert.ok(sessions.length > 1 && sessions.length <= 40, `${sessions.length} connections`);
  session.destroy();
});

test('a proxy that drains takes its leave: what is under way ends well, and the idle are closed at once', async () => {
  const waiting: (() => void)[] = [];
  await using peer = await serve('http2', (request, response) => {
    if (request.url === '/slow') waiting.push(() => response.end(Buffer.from('late')));
    else ok(request, response);
  });
  await using world = await open(peer.port);
  const busy = http2.connect(`http://127.0.0.1:${world.port}`);
  const idle = http2.connect(`http://127.0.0.1:${world.port}`);
  await askOn(idle, {});
  const slow = askOn(busy, { path: '/slow' });
  await until('it is under way', () => waiting.length === 1);
  let told = false;
  busy.on('goaway', () => void (told = true));
  for (const connection of [...world.connections]) connection.drain(0);
  await until('the idle one is closed', () => idle.closed);
  await until('the other one is told', () => told);
  waiting[0]?.();
  assert.equal((await slow).body.toString(), 'late');
  await until('it is closed', () => busy.closed);
  await until('nothing is left', () => world.connections.size === 0);
});

test('a client that does not read holds its server back, and little is kept for it', async () => {
  const MIB = 1024 * 1024;
  let sent = 0;
  await using peer = await serve('http2', (request, response) => {
    request.resume();
    const bytes = Buffer.alloc(MIB);
    response.on('drain', () => pour());
    const pour = (): void => {
      while (sent < 64) {
        sent += 1;
        if (!response.write(bytes)) return;
      }
      response.end();
    };
    pour();
  });
  await using world = await open(peer.port);
  const session = http2.connect(`http://127.0.0.1:${world.port}`).on('error', () => {});
  const stream = session.request({ ':path': '/' }).on('error', () => {});
  await until('the answer begins', () => sent > 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(sent < 16, `the server has sent ${sent} MiB`);
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => void (bytes += chunk.length));
  await until('the rest arrives', () => bytes === 64 * MIB);
  session.destroy();
});

test('what cannot be one request in HTTP/1.1 does not become several', async () => {
  await using world = await HttpWorld.open({ kind: 'plain', clientProtocol: 'http2', protocol: 'http1' });
  const session = http2.connect(`http://127.0.0.1:${world.port}`).on('error', () => {});
  const attempts: readonly Record<string, string>[] = [
    { ':path': '/a b HTTP/1.1' },
    { ':authority': 'h,other' },
    { 'content-length': '1, 2' },
    { 'transfer-encoding': 'chunked' },
    { host: 'other', ':authority': 'h' },
  ];
  for (const fields of attempts) {
    // Some of it is refused by the client's own library already.
    const asked = (): Promise<unknown> => askOn(session, { headers: fields });
    await assert.rejects(async () => asked());
  }
  assert.equal(world.served.length, 0);
  session.destroy();
});

test('what is no request is counted and logged, whether its head or what follows is wrong', async () => {
  await using world = await HttpWorld.open({ kind: 'plain', clientProtocol: 'http2', protocol: 'http1' });
  const session = http2.connect(`http://127.0.0.1:${world.port}`).on('error', () => {});
  await assert.rejects(askOn(session, { path: 'no-slash' }));
  assert.equal((await askOn(session, { path: `/${'a'.repeat(9000)}`, body: 'b' })).status, 414);
  await assert.rejects(askOn(session, { method: 'POST', headers: { 'content-length': '3' }, body: 'four' }));
  await until('all are recorded', () => world.exchanges.length === 3);
  assert.deepEqual(
    world.exchanges.map(({ request, status, reason }) => [request.split(' ')[0], status, reason]),
    [
      ['', 0, 'bad-request'],
      ['', 414, 'bad-request'],
      ['POST', 0, 'bad-request'],
    ],
  );
  session.destroy();
});

/** A request that is answered, by more than the client's window takes, before its end; nobody reads it yet. */
async function answerEarly(
  world: HttpWorld,
  session: http2.ClientHttp2Session,
): Promise<{ readonly stream: http2.ClientHttp2Stream; readonly length: number }> {
  const stream = session.request({ ':method': 'POST', ':path': '/' }).on('error', () => {});
  stream.write('b');
  const server = await world.server();
  await until('the request arrives', () => server.text.endsWith('b\r\n'));
  const length = 65_535 + 200;
  server.send(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`);
  server.send(Buffer.alloc(length));
  await until('it is recorded', () => world.exchanges.length === 1);
  return { stream, length };
}

for (const [name, limits, bytes] of [
  ['by bytes', { lingerMaxBytes: 100_000 }, 1_000_000],
  ['by time', { lingerTimeoutMs: 50 }, 1],
] as const) {
  test(`a client that neither reads its answer nor ends its request is bounded ${name}`, async () => {
    await using world = await HttpWorld.open({
      kind: 'plain',
      clientProtocol: 'http2',
      protocol: 'http1',
      limits: { lingerTimeoutMs: 60_000, ...limits },
    });
    const session = http2.connect(`http://127.0.0.1:${world.port}`).on('error', () => {});
    const { stream } = await answerEarly(world, session);
    stream.write(Buffer.alloc(bytes));
    await until('it is reset', () => stream.closed);
    assert.equal(stream.rstCode, http2.constants.NGHTTP2_CANCEL);
    // The connection serves others.
    const next = askOn(session, { path: '/next' });
    (await world.server(1)).send('HTTP/1.1 204 No Content\r\n\r\n');
    assert.equal((await next).status, 204);
    session.destroy();
  });
}

test('a client that reads its answer late and then stops sending gets all of it, and no error', async () => {
  await using world = await HttpWorld.open({
    kind: 'plain',
    clientProtocol: 'http2',
    protocol: 'http1',
    limits: { lingerTimeoutMs: 300 },
  });
  const session = http2.connect(`http://127.0.0.1:${world.port}`).on('error', () => {});
  const { stream, length } = await answerEarly(world, session);
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => void (bytes += chunk.length));
  await until('it has all', () => bytes === length);
  await until('the rest of the request is not wanted', () => stream.closed);
  assert.equal(stream.rstCode, http2.constants.NGHTTP2_NO_ERROR);
  session.destroy();
});

test('a header block that does not come to an end ends its connection, and is recorded', async () => {
  await using peer = await serve('http2', ok);
  await using world = await HttpWorld.open({
    kind: 'plain',
    clientProtocol: 'http2',
    protocol: 'http2',
    serverPorts: [peer.port],
    limits: { headTimeoutMs: 50 },
  });
  const socket = connect(world.port, '127.0.0.1').on('error', () => {});
  const said: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => said.push(chunk));
  // SETTINGS, and HEADERS of stream 1 without END_HEADERS.
  socket.write(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\0\0\0\x04\0\0\0\0\0'}${'\0\0\x01\x01\0\0\0\0\x01'}`, 'latin1');
  socket.write(Buffer.from([0x82]));
  await once(socket, 'close');
  const goaway = Buffer.concat(said).subarray(-17);
  assert.deepEqual([goaway[3], goaway.readUInt32BE(13)], [7, http2.constants.NGHTTP2_ENHANCE_YOUR_CALM]);
  assert.deepEqual(
    world.exchanges.map(({ status, reason }) => [status, reason]),
    [[0, 'request-timeout']],
  );
});
