import assert from 'node:assert/strict';
import http from 'node:http';
import net, { type Socket } from 'node:net';
import { test } from 'node:test';
import { checkLeaks, listen, until } from '@ambit/mesh/testing';
import { HttpWorld, type Party, type WorldOptions } from './http-world.ts';
import { ask, type Protocol, type Request, type Response, serve } from './peers.ts';

checkLeaks();

const PROTOCOLS = ['http1', 'http2'] as const satisfies readonly Protocol[];
const of = (client: Protocol): Partial<WorldOptions> => (client === 'http2' ? { clientProtocol: 'http2' } : {});

/** Bytes of a tunnel from and to a socket; nobody is held back. */
function join(party: Party, socket: Socket): void {
  party.onPiece = (_, memory, start, end) => void socket.write(Buffer.from(memory.subarray(start, end)));
  socket.on('error', () => {}).on('data', (bytes: Buffer) => party.send(bytes));
}

/** Answers with the body and the trailers that came. */
function echo(request: Request, response: Response): void {
  const chunks: Buffer[] = [];
  request.on('error', () => {});
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    response.setHeader('x-asked', `${request.method} ${request.url}`);
    response.setHeader('trailer', 'x-sum');
    response.write(Buffer.concat(chunks));
    response.addTrailers({ 'x-sum': String(request.trailers['x-t']) });
    response.end();
  });
}

for (const client of PROTOCOLS) {
  for (const server of PROTOCOLS) {
    test(`${client} to ${server} through tunnels: bodies and trailers`, { timeout: 20_000 }, async () => {
      const sockets: Socket[] = [];
      await using peer = await serve(server, echo);
      await using world = await HttpWorld.open({
        kind: 'tunnel',
        ...of(client),
        protocol: server,
        servers: [
          (party) => {
            const socket = net.connect(peer.port, '127.0.0.1');
            sockets.push(socket);
            join(party, socket);
          },
        ],
      });
      await using front = await listen((socket) => {
        sockets.push(socket);
        socket.pause();
        void world.client().then((party) => {
          join(party, socket);
          socket.resume();
        });
      });
      const body = Buffer.alloc(1024 * 1024);
      for (let i = 0; i < body.length; i += 1) body[i] = (i * 7 + (i >> 8)) & 255;
      const reply = await ask(client, front.port, {
        method: 'POST',
        path: '/a',
        body,
        headers: { te: 'trailers', ...(client === 'http1' ? { 'transfer-encoding': 'chunked' } : {}) },
        trailers: { 'x-t': '7' },
      });
      assert.deepEqual([reply.status, reply.headers['x-asked'], reply.trailers['x-sum']], [200, 'POST /a', '7']);
      assert.ok(reply.body.equals(body));
      for (const socket of sockets) socket.destroy();
    });

    test(`${client} to ${server}: 102 comes before the answer`, async () => {
      await using peer = await serve(server, (request, response) => {
        if ('stream' in request) request.stream.additionalHeaders({ ':status': 102 });
        else if (response instanceof http.ServerResponse) response.writeProcessing();
        response.end(Buffer.from('ok'));
      });
      await using world = await HttpWorld.open({
        kind: 'plain',
        ...of(client),
        protocol: server,
        serverPorts: [peer.port],
      });
      const { status, interims, body } = await ask(client, world.port, {});
      assert.deepEqual([status, interims, String(body)], [200, [102], 'ok']);
    });
  }

  for (const mirror of PROTOCOLS) {
    test(`a copy of a request of ${client} reaches a mirror of ${mirror} whole`, async () => {
      const copies: string[] = [];
      const ok = (request: Request, response: Response): void => {
        request.resume().on('end', () => response.end(Buffer.from('ok')));
      };
      await using peer = await serve('http1', ok);
      await using other = await serve(mirror, (request, response) => {
        let text = '';
        request.on('data', (chunk: Buffer) => void (text += chunk.toString('latin1')));
        request.on('end', () => {
          const { headers } = request;
          const host = String(headers.host ?? headers[':authority']);
          copies.push(`${request.method} ${request.url} ${host} ${text.length} ${String(request.trailers['x-t'])}`);
          response.statusCode = 500;
          response.end();
        });
      });
      await using world = await HttpWorld.open({
        kind: 'plain',
        ...of(client),
        protocol: 'http1',
        serverPorts: [peer.port],
        mirror: other.port,
        mirrorProtocol: mirror,
      });
      const host = client === 'http1' ? { host: 'h', 'transfer-encoding': 'chunked' } : { ':authority': 'h' };
      const reply = await ask(client, world.port, {
        method: 'POST',
        path: '/a?b',
        headers: { ...host, te: 'trailers' },
        body: 'x'.repeat(100_000),
        trailers: { 'x-t': '1' },
      });
      assert.deepEqual([reply.status, String(reply.body)], [200, 'ok']);
      await until('it is answered', () => world.context.mirrors.counts.answered === 1);
      assert.deepEqual(copies, ['POST /a?b h 100000 1']);
    });
  }
}

test('messages of gRPC are bytes, whatever they say of themselves', async () => {
  await using peer = await serve('http2', echo);
  await using world = await HttpWorld.open({
    kind: 'plain',
    clientProtocol: 'http2',
    protocol: 'grpc',
    serverPorts: [peer.port],
  });
  // A compressed message of 4 GiB, of which six bytes come.
  const body = Buffer.from([9, 255, 255, 255, 255, 1, 2, 3, 4, 5, 6]);
  const headers = { 'content-type': 'application/grpc', te: 'trailers' };
  const reply = await ask('http2', world.port, { method: 'POST', path: '/shop.Echo/Once', body, headers });
  assert.ok(reply.body.equals(body));
  await until('it is recorded', () => world.exchanges.length === 1);
  assert.deepEqual([world.exchanges[0]?.grpcStatus, world.exchanges[0]?.reason], [-1, null]);
});
