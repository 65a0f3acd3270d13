import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { describe, test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { HttpWorld } from './http-world.ts';
import { ask, askOn, cut, type Protocol, type Request, type Response, serve } from './peers.ts';

checkLeaks();

const MIB = 1024 * 1024;

/** Answers with what it was asked, in trailers too when it was asked for them. */
function echo(request: Request, response: Response): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('error', () => {});
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    const { method, url, headers } = request;
    const asked = { method, url, host: headers.host ?? headers[':authority'], via: headers['x-forwarded-for'] };
    response.setHeader('x-asked', JSON.stringify(asked));
    response.setHeader('x-trailers', JSON.stringify(request.trailers));
    if (headers['x-wants'] === 'early') response.writeEarlyHints({ link: '</a>; rel=preload' });
    if (headers['x-wants'] === 'trailers') response.setHeader('trailer', 'x-sum');
    response.statusCode = Number(headers['x-status'] ?? '200');
    if (headers['x-wants'] === 'trailers') {
      response.write(body);
      response.addTrailers({ 'x-sum': String(body.length) });
      response.end();
    } else if (headers['x-wants'] === 'length') {
      response.setHeader('content-length', String(body.length));
      response.end(body);
    } else response.end(body);
  });
}

for (const client of ['http1', 'http2'] as const satisfies readonly Protocol[]) {
  for (const server of ['http1', 'http2'] as const satisfies readonly Protocol[]) {
    describe(`${client} to ${server}`, () => {
      const open = (port: number): Promise<HttpWorld> =>
        HttpWorld.open({
          kind: 'plain',
          ...(client === 'http2' ? { clientProtocol: 'http2' as const } : {}),
          protocol: server,
          serverPorts: [port],
        });

      test('a GET', async () => {
        await using peer = await serve(server, echo);
        await using world = await open(peer.port);
        const headers = client === 'http2' ? { ':authority': 'db.shop:80' } : { host: 'db.shop:80' };
        const reply = await ask(client, world.port, { path: '/a/../b?c', headers });
        assert.equal(reply.status, 200);
        assert.deepEqual(JSON.parse(String(reply.headers['x-asked'])), {
          method: 'GET',
          url: '/b?c',
          host: 'db.shop:80',
          via: '10.0.0.1',
        });
        await until('it is recorded', () => world.exchanges.length === 1);
        const [record] = world.exchanges;
        assert.equal(record?.request, 'GET db.shop:80 /a/../b?c');
        assert.deepEqual([record?.status, record?.reason, record?.attempts], [200, null, 1]);
      });

      for (const [name, wants] of [
        ['of a length that is said', 'length'],
        ['of a length that its end tells', 'chunks'],
      ] as const) {
        test(`1 MiB both ways, ${name}`, async () => {
          await using peer = await serve(server, echo);
          await using world = await open(peer.port);
          const body = Buffer.alloc(MIB);
          for (let i = 0; i < MIB; i += 1) body[i] = (i * 7 + (i >> 8)) & 255;
          const reply = await ask(client, world.port, { method: 'POST', body, headers: { 'x-wants': wants } });
          assert.ok(reply.body.equals(body));
          await until('it is recorded', () => world.exchanges.length === 1);
          assert.deepEqual(
            world.exchanges.map(({ requestBytes, responseBytes, reason }) => [requestBytes, responseBytes, reason]),
            [[MIB, MIB, null]],
          );
        });
      }

      test('a POST with trailers, and an answer with trailers', async () => {
        await using peer = await serve(server, echo);
        await using world = await open(peer.port);
        const headers = {
          'x-wants': 'trailers',
          te: 'trailers',
          ...(client === 'http1' ? { 'transfer-encoding': 'chunked' } : {}),
        };
        const reply = await ask(client, world.port, {
          method: 'POST',
          body: 'hello',
          headers,
          trailers: { 'x-t': '1' },
        });
        assert.deepEqual([reply.status, reply.body.toString(), reply.trailers['x-sum']], [200, 'hello', '5']);
        assert.equal(reply.headers['x-trailers'], '{"x-t":"1"}');
      });

      test('HEAD, 204, an empty body and an early hint', async () => {
        await using peer = await serve(server, echo);
        await using world = await open(peer.port);
        const head = await ask(client, world.port, { method: 'HEAD' });
        assert.deepEqual([head.status, head.body.length], [200, 0]);
        const none = await ask(client, world.port, { headers: { 'x-status': '204' } });
        assert.deepEqual([none.status, none.body.length, none.headers['content-length']], [204, 0, undefined]);
        const empty = await ask(client, world.port, { method: 'POST', body: '' });
        assert.deepEqual([empty.status, empty.body.length], [200, 0]);
        const hinted = await ask(client, world.port, { headers: { 'x-wants': 'early' } });
        assert.deepEqual([hinted.status, hinted.interims], [200, [103]]);
        await until('all are recorded', () => world.exchanges.length === 4);
        assert.ok(world.exchanges.every(({ reason }) => reason === null));
      });

      test('an answer that its server cuts is cut for the client', async () => {
        await using peer = await serve(server, (request, response) => {
          response.setHeader('content-length', '10');
          response.write('hello');
          setTimeout(() => cut(request), 20);
        });
        await using world = await open(peer.port);
        await assert.rejects(ask(client, world.port, {}));
        await until('it is recorded', () => world.exchanges.length === 1);
        assert.deepEqual(
          world.exchanges.map(({ status, reason }) => [status, reason]),
          [[200, 'upstream-truncated']],
        );
      });

      test('a client that goes away takes its request with it', async () => {
        let closed = false;
        let bytes = 0;
        await using peer = await serve(server, (request, response) => {
          request.on('error', () => {});
          request.on('data', (chunk: Buffer) => void (bytes += chunk.length));
          response.on('close', () => void (closed = true));
        });
        await using world = await open(peer.port);
        const party = await world.client();
        if (client === 'http1') party.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello');
        else {
          party.carrier.reset();
          const session = http2.connect(`http://127.0.0.1:${world.port}`).on('error', () => {});
          const stream = session.request({ ':method': 'POST' }).on('error', () => {});
          stream.write('hello');
          await until('it arrives', () => bytes === 5);
          session.destroy();
        }
        await until('it arrives', () => bytes === 5);
        if (client === 'http1') party.carrier.reset();
        await until('the server hears of it', () => closed);
        await until('it is recorded', () => world.exchanges.length === 1);
        assert.deepEqual(
          world.exchanges.map(({ status, reason }) => [status, reason]),
          [[0, 'client-gone']],
        );
      });

      test('many requests at once', async () => {
        await using peer = await serve(server, echo);
        await using world = await open(peer.port);
        const session = client === 'http2' ? http2.connect(`http://127.0.0.1:${world.port}`) : undefined;
        const replies = await Promise.all(
          Array.from({ length: 150 }, (_, index) => {
            const question = { method: 'POST', path: `/${index}`, body: `body ${index}` };
            return session === undefined ? ask(client, world.port, question) : askOn(session, question);
          }),
        );
        session?.destroy();
        assert.deepEqual(
          replies.map(({ body }) => body.toString()),
          Array.from({ length: 150 }, (_, index) => `body ${index}`),
        );
        if (server === 'http2') {
          assert.ok(world.pools.every((pool) => pool.connectionCount <= 2));
        }
      });
    });
  }
}

test('a client that does not take the end of its answer does not hold up who uses the connection next', async () => {
  await using world = await HttpWorld.open({
    kind: 'plain',
    clientProtocol: 'http2',
    protocol: 'http1',
    upstreamLimits: { connectionsMax: 1 },
  });
  const session = http2.connect(`http://127.0.0.1:${world.port}`).on('error', () => {});
  // Nobody reads it, so that the client's window closes on the last bytes of the answer.
  const slow = session.request({ ':path': '/slow' }).on('error', () => {});
  const server = await world.server();
  await until('the request arrives', () => server.text.includes('/slow'));
  const bytes = 65_535 + 200;
  server.send(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
  server.send(Buffer.alloc(bytes));
  await until('it is recorded', () => world.exchanges.length === 1);
  const other = askOn(session, { path: '/other' });
  await until('the next request arrives', () => server.text.includes('/other'));
  server.send('HTTP/1.1 204 No Content\r\n\r\n');
  assert.equal((await other).status, 204);
  slow.destroy();
  session.destroy();
});
