import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { failureAnswer } from '../src/http/decisions.ts';
import { HttpWorld } from './http-world.ts';
import { ask, askOn, type Peer, type Protocol, serve } from './peers.ts';

checkLeaks();

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

interface Asked {
  readonly path: string | undefined;
  readonly host: string | undefined;
  readonly version: unknown;
  readonly cookie: string | undefined;
}

/** A server that takes WebSockets and hands on what they carry; those of `/denied` it does not. */
async function serveSockets(protocol: Protocol, onSocket: (socket: Duplex, asked: Asked) => void): Promise<Peer> {
  const sockets = new Set<Duplex>();
  const add = (socket: Duplex, asked: Asked): void => {
    sockets.add(socket.on('error', () => {}));
    socket.once('close', () => sockets.delete(socket));
    onSocket(socket, asked);
  };
  const sessions = new Set<http2.ServerHttp2Session>();
  const server =
    protocol === 'http1'
      ? http.createServer({ keepAlive: true }).on('upgrade', ({ url, headers }, socket: Duplex) => {
          const { host, cookie } = headers;
          if (url === '/denied') return socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
          assert.equal(headers.upgrade, 'websocket');
          const accept = acceptOf(headers['sec-websocket-key'] ?? '');
          socket.write(
            `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`,
          );
          return add(socket, { path: url, host, version: headers['sec-websocket-version'], cookie });
        })
      : http2
          .createServer({ settings: { enableConnectProtocol: true } })
          .on('session', (session) => void sessions.add(session.on('error', () => {})))
          .on('stream', (stream, headers) => {
            stream.on('error', () => {});
            const { ':path': path, ':authority': host, ':protocol': asked, cookie } = headers;
            assert.deepEqual(
              [headers[':method'], asked, headers['sec-websocket-key']],
              ['CONNECT', 'websocket', undefined],
            );
            if (path === '/denied') {
              stream.respond({ ':status': 403 });
              stream.end('no');
              return;
            }
            stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' });
            add(stream, { path, host, version: headers['sec-websocket-version'], cookie });
          });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Answered {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly socket: Duplex;
  readonly session?: http2.ClientHttp2Session;
}

const FIELDS = { 'sec-websocket-version': '13', cookie: 'a=b' };

/** Asks for a WebSocket; the answer's body is read from `socket` when it is not granted. */
async function askForSocket(protocol: Protocol, port: number, path: string): Promise<Answered> {
  if (protocol === 'http1') {
    const headers = {
      ...FIELDS,
      host: 'db.shop',
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': KEY,
    };
    const asked = http.request({ host: '127.0.0.1', port, path, headers, agent: false });
    asked.end();
    return new Promise((resolve, reject) => {
      asked.on('error', reject);
      asked.on('upgrade', (response, socket: Duplex, first: Buffer) => {
        socket.on('error', () => {}).unshift(first);
        resolve({ status: 101, headers: response.headers, socket });
      });
      asked.on('response', (response) =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, socket: response as unknown as Duplex }),
      );
    });
  }
  const session = http2.connect(`http://127.0.0.1:${port}`).on('error', () => {});
  await once(session, 'remoteSettings');
  assert.equal(session.remoteSettings.enableConnectProtocol, true);
  const pseudo = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, ':authority': 'db.shop' };
  const stream = session.request({ ...pseudo, ...FIELDS }).on('error', () => {});
  const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader];
  return { status: answer[':status'] ?? 0, headers: answer, socket: stream, session };
}

async function all(stream: Duplex): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('latin1');
}

for (const client of ['http1', 'http2'] as const) {
  test(`a WebSocket of ${client} is cut when policies do not want it any more, by what it was asked with`, async () => {
    await using peer = await serveSockets('http1', (socket) => void socket.on('data', (chunk) => socket.write(chunk)));
    let isDenied = false;
    await using world = await HttpWorld.open({
      kind: 'plain',
      ...(client === 'http2' ? { clientProtocol: client } : {}),
      protocol: 'http1',
      serverPorts: [peer.port],
      decide: (request, forward) => {
        // Long after the memory of its head has served others.
        const isMine = request.path === '/chat' && request.header('cookie') === 'a=b' && request.host === 'db.shop';
        return isDenied && isMine ? failureAnswer('access-denied') : forward;
      },
    });
    const { socket, session } = await askForSocket(client, world.port, '/chat');
    let text = '';
    socket.on('data', (chunk: Buffer) => void (text += chunk.toString('latin1')));
    socket.write('x'.repeat(10_000));
    await until('it carries bytes', () => text.length === 10_000);
    for (const connection of world.connections) connection.recheck();
    socket.write('still');
    await until('it still does', () => text.endsWith('still'));
    const closed = new Promise<void>((resolve) => void socket.once('close', resolve));
    isDenied = true;
    for (const connection of world.connections) connection.recheck();
    await closed;
    await until('it is over for everybody', () => world.exchanges.length === 1);
    assert.equal(world.exchanges[0]?.reason, 'access-denied');
    session?.destroy();
  });

  for (const server of ['http1', 'http2'] as const) {
    describe(`a WebSocket from ${client} to ${server}`, () => {
      const seen: string[] = [];
      const open = (port: number): Promise<HttpWorld> =>
        HttpWorld.open({
          kind: 'plain',
          ...(client === 'http2' ? { clientProtocol: 'http2' as const } : {}),
          protocol: server,
          serverPorts: [port],
          decide: (request, forward) => {
            seen.push(`${request.method} ${request.path}`);
            return forward;
          },
        });
      const granted = client === 'http1' ? 101 : 200;

      test('carries bytes both ways, and each side ends by itself', async () => {
        const asked: Asked[] = [];
        await using peer = await serveSockets(server, (socket, facts) => {
          asked.push(facts);
          let text = '';
          socket.write('hello');
          socket.on('data', (chunk: Buffer) => {
            text += chunk.toString('latin1');
            if (text === 'ping') socket.write('pong');
          });
          socket.on('end', () => socket.end(`read ${text}`));
        });
        await using world = await open(peer.port);
        const { status, headers, socket, session } = await askForSocket(client, world.port, '/chat?a');
        assert.equal(status, granted);
        assert.equal(headers['sec-websocket-protocol'], 'chat');
        if (client === 'http2') assert.equal(headers['sec-websocket-accept'], undefined);
        else if (server === 'http2') assert.equal(headers['sec-websocket-accept'], acceptOf(KEY));
        let text = '';
        socket.on('data', (chunk: Buffer) => void (text += chunk.toString('latin1')));
        await until('the server speaks first', () => text === 'hello');
        socket.write('ping');
        await until('it answers', () => text === 'hellopong');
        socket.end();
        await until('its last word', () => text === 'hellopongread ping');
        await until('it is recorded', () => world.exchanges.length === 1);
        assert.deepEqual(asked, [{ path: '/chat?a', host: 'db.shop', version: '13', cookie: 'a=b' }]);
        assert.deepEqual(seen, ['GET /chat']);
        const [record] = world.exchanges;
        assert.deepEqual(
          [record?.request, record?.status, record?.reason, record?.requestBytes, record?.responseBytes],
          ['GET db.shop /chat?a', granted, null, 4, 18],
        );
        session?.destroy();
        socket.destroy();
      });

      test('that is refused is an answer like others', async () => {
        await using peer = await serveSockets(server, () => {});
        await using world = await open(peer.port);
        const { status, socket, session } = await askForSocket(client, world.port, '/denied');
        assert.deepEqual([status, await all(socket)], [403, 'no']);
        await until('it is recorded', () => world.exchanges.length === 1);
        assert.deepEqual([world.exchanges[0]?.status, world.exchanges[0]?.reason], [403, null]);
        session?.destroy();
      });

      test('carries 4 MiB there and back', async () => {
        const bytes = 4 * 1024 * 1024;
        await using peer = await serveSockets(server, (socket) => void socket.pipe(socket));
        await using world = await open(peer.port);
        const { socket, session } = await askForSocket(client, world.port, '/');
        const sent = Buffer.alloc(bytes);
        for (let i = 0; i < bytes; i += 1) sent[i] = (i * 7 + (i >> 8)) & 255;
        socket.end(sent);
        const chunks: Buffer[] = [];
        for await (const chunk of socket) chunks.push(chunk as Buffer);
        assert.ok(Buffer.concat(chunks).equals(sent));
        session?.destroy();
      });

      test('is over for its server when its client goes away, and the other way round', async () => {
        const sockets: Duplex[] = [];
        await using peer = await serveSockets(server, (socket) => {
          sockets.push(socket.resume().on('end', () => socket.end()));
        });
        await using world = await open(peer.port);
        const one = await askForSocket(client, world.port, '/');
        if (one.session === undefined) one.socket.destroy();
        else one.session.destroy();
        await until('the server hears of it', () => sockets[0]?.destroyed);
        const other = await askForSocket(client, world.port, '/');
        sockets[1]?.destroy();
        other.socket.resume();
        await until('the client hears of it', () => other.socket.readableEnded || other.socket.destroyed);
        other.session?.destroy();
        other.socket.destroy();
        await until('both are recorded', () => world.exchanges.length === 2);
        assert.deepEqual(
          world.exchanges.map(({ reason }) => reason),
          [null, null],
        );
      });
    });
  }
}

const PSEUDO = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/', ':authority': 'h' };

test('what a client of HTTP/2 sends before its WebSocket is granted does not reach the server as another request', async () => {
  await using world = await HttpWorld.open({ kind: 'plain', clientProtocol: 'http2', protocol: 'http1' });
  const session = http2.connect(`http://127.0.0.1:${world.port}`).on('error', () => {});
  await once(session, 'remoteSettings');
  for (const [answer, status] of [
    ['HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n', 404],
    // To a client of HTTP/2 it would mean that there is a tunnel.
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 502],
    ['HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 200],
  ] as const) {
    const count = world.served.length;
    const stream = session.request(PSEUDO).on('error', () => {});
    stream.write('GET /admin HTTP/1.1\r\nHost: h\r\n\r\n');
    const server = await until('it arrives', () => world.served.find(({ text }) => text.endsWith('\r\n\r\n')));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.match(server.take(), /^GET \/ HTTP\/1\.1\r\n(?!.*admin)/s);
    server.send(answer);
    const [head] = (await once(stream, 'response')) as [http2.IncomingHttpStatusHeader];
    assert.equal(head[':status'], status, `${count} connections`);
    if (status === 200) await until('then it does', () => server.text.startsWith('GET /admin'));
    else assert.equal(server.text, '');
    stream.destroy();
  }
  session.destroy();
});

test('what is no WebSocket is refused', async () => {
  await using world = await HttpWorld.open({ kind: 'plain', clientProtocol: 'http2', protocol: 'http1' });
  const session = http2.connect(`http://127.0.0.1:${world.port}`).on('error', () => {});
  await once(session, 'remoteSettings');
  const stream = session.request({ ...PSEUDO, ':protocol': 'connect-udp' }).on('error', () => {});
  const [head] = (await once(stream, 'response')) as [http2.IncomingHttpStatusHeader];
  assert.equal(head[':status'], 501);
  stream.destroy();
  assert.equal(
    (await askOn(session, { method: 'GET', path: '/a/%2e%2e/%2' }).catch(() => ({ status: 0 }))).status,
    400,
  );
  session.destroy();
  assert.equal(world.served.length, 0);
});

for (const client of ['http1', 'http2'] as const) {
  test(`a server of HTTP/2 that takes no WebSockets is not asked for one by a client of ${client}`, async () => {
    let requests = 0;
    await using peer = await serve('http2', (_, response) => {
      requests += 1;
      response.end();
    });
    await using world = await HttpWorld.open({
      kind: 'plain',
      ...(client === 'http2' ? { clientProtocol: 'http2' as const } : {}),
      protocol: 'http2',
      serverPorts: [peer.port],
    });
    for (let i = 0; i < 2; i += 1) {
      const { status, socket, session } = await askForSocket(client, world.port, '/');
      assert.equal(status, 501);
      await all(socket);
      session?.destroy();
    }
    assert.equal(requests, 0);
    assert.equal((await ask(client, world.port, {})).status, 200);
  });
}

test('a WebSocket without a key is none', async () => {
  await using peer = await serve('http2', () => assert.fail());
  await using world = await HttpWorld.open({ kind: 'plain', protocol: 'http2', serverPorts: [peer.port] });
  const client = await world.client();
  client.send('GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await until('it is refused', () => client.text.startsWith('HTTP/1.1 400 '));
});
