import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { HttpWorld } from './http-world.ts';
import { ask, type Protocol } from './peers.ts';

checkLeaks();

/** A server that takes connections of HTTP/2, and wants every request in HTTP/1.1. Says what it was asked in that. */
class Reluctant implements AsyncDisposable {
  refused = 0;
  readonly asked: http.IncomingMessage[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #http1 = http.createServer((request, response) => {
    this.asked.push(request);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => response.end(`${request.method} ${request.url} ${Buffer.concat(chunks).length}`));
  });
  readonly #http2 = http2.createServer().on('stream', (stream) => {
    this.refused += 1;
    stream.on('error', () => {}).close(http2.constants.NGHTTP2_HTTP_1_1_REQUIRED);
  });
  readonly #server = net.createServer((socket) => {
    this.#keep(socket).once('data', (chunk: Buffer) => {
      const { port } = addressOf(chunk.toString('latin1').startsWith('PRI') ? this.#http2 : this.#http1);
      const onward = this.#keep(net.connect(port, '127.0.0.1'));
      onward.write(chunk);
      socket.pipe(onward).pipe(socket);
    });
  });

  static async open(): Promise<Reluctant> {
    const server = new Reluctant();
    for (const one of [server.#http1, server.#http2, server.#server]) {
      one.listen(0, '127.0.0.1');
      await once(one, 'listening');
    }
    return server;
  }

  get port(): number {
    return addressOf(this.#server).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const one of [this.#server, this.#http1, this.#http2]) {
      one.close();
      await once(one, 'close');
    }
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket.on('error', () => {}));
    return socket;
  }
}

function addressOf(server: Pick<net.Server, 'address'>): AddressInfo {
  return server.address() as AddressInfo;
}

function open(client: Protocol, port: number): Promise<HttpWorld> {
  const clientProtocol = client === 'http2' ? { clientProtocol: client } : {};
  return HttpWorld.open({ kind: 'plain', ...clientProtocol, protocol: 'http2', serverPorts: [port] });
}

for (const protocol of ['http1', 'http2'] as const) {
  test(`a server that wants HTTP/1.1 gets the request in it, and is remembered: from a client of ${protocol}`, async () => {
    await using server = await Reluctant.open();
    await using world = await open(protocol, server.port);
    const question = { method: 'POST', path: '/a?b', headers: { 'x-own': 'yes' }, body: 'once' };
    const first = await ask(protocol, world.port, question);
    assert.equal(first.body.toString(), 'POST /a?b 4');
    const { headers } = server.asked[0] ?? assert.fail();
    assert.deepEqual(
      [headers['x-own'], headers['x-request-id'], headers['x-forwarded-proto']],
      ['yes', 'id-1', 'http'],
    );
    assert.ok(headers.host !== undefined && headers.host !== '');
    const second = await ask(protocol, world.port, { path: '/c' });
    assert.equal(second.body.toString(), 'GET /c 0');
    await until('both are recorded', () => world.exchanges.length === 2);
    const attempts = world.exchanges.map((one) => [one.status, one.attempts, one.reason]);
    assert.deepEqual(
      [attempts, server.refused],
      [
        [
          [200, 2, null],
          [200, 1, null],
        ],
        1,
      ],
    );
  });
}

test('what was not kept whole is not sent twice, and the next request is sent in HTTP/1.1 at once', async () => {
  await using server = await Reluctant.open();
  await using world = await open('http2', server.port);
  const body = Buffer.alloc(200_000, 'x');
  const first = await ask('http2', world.port, { method: 'PUT', body });
  assert.equal(first.status, 503);
  const second = await ask('http2', world.port, { method: 'PUT', body });
  assert.equal(second.body.toString(), 'PUT / 200000');
  assert.deepEqual([server.refused, server.asked[0]?.headers['transfer-encoding']], [1, 'chunked']);
});

test('a call of gRPC is not made another request than it is', async () => {
  await using server = await Reluctant.open();
  await using world = await open('http2', server.port);
  const call = { method: 'POST', path: '/pkg.Svc/Call', headers: { 'content-type': 'application/grpc' }, body: 'call' };
  for (let count = 1; count <= 2; count += 1) {
    const { status, headers, trailers } = await ask('http2', world.port, call);
    assert.deepEqual([status, { ...headers, ...trailers }['grpc-status']], [200, '14']);
  }
  assert.deepEqual([server.refused, server.asked], [2, []]);
});

test('a copy of a request is sent in HTTP/1.1 as well', async () => {
  await using server = await Reluctant.open();
  await using world = await HttpWorld.open({
    ...{ kind: 'plain', clientProtocol: 'http2', protocol: 'http1' },
    ...{ servers: [(party) => party.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')] },
    ...{ mirror: server.port, mirrorProtocol: 'http2' },
  });
  await ask('http2', world.port, { method: 'POST', body: 'copy' });
  await until('the copy arrives', () => server.asked.length === 1);
  assert.deepEqual([server.asked[0]?.method, server.refused], ['POST', 1]);
});
