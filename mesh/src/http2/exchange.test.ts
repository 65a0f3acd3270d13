import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FieldList } from '../testing/http1-steps.ts';
import {
  answering,
  ask,
  beginResponse,
  Collector,
  connectHttp2,
  http2Environment,
  listenHttp2,
  respondText,
  ResponseCollector,
} from '../testing/http2-world.ts';
import { createDuplexPair } from '../testing/memory-duplex.ts';
import { dial } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { Http2Code } from '../hbone/frame-codec.ts';
import { FieldBlock } from '../http1/field-block.ts';
import { Http2Client } from './client.ts';
import type { ClientOptions, ServerOptions } from './contract.ts';
import { fieldBlockOf } from './field-text.ts';
import { Http2Server } from './server.ts';
import type { ServerExchange } from './server-exchange.ts';

interface Pair {
  readonly client: Http2Client;
  readonly server: Http2Server;
}

/** Both ends, joined in memory. */
async function join(
  options: Partial<ServerOptions>,
  run: (pair: Pair) => Promise<void>,
  clientOptions: Partial<ClientOptions> = {},
): Promise<void> {
  const [near, far] = createDuplexPair();
  const server = new Http2Server(near, { ...answering(() => {}), ...options }).start();
  const client = new Http2Client(far, { ...http2Environment, ...clientOptions }).start();
  await run({ client, server });
  client.destroy();
  await until('both ends closed', () => client.state === 'closed' && server.state === 'closed');
}

test('heads, bodies and trailers go both ways', async () => {
  const seen: unknown[] = [];
  const options = answering(({ exchange, head, message }) => {
    seen.push(head.method, head.path, head.value(0), message.body.toString(), message.trailers);
    beginResponse(exchange, 200, [['content-type', 'application/grpc']]);
    exchange.write(Buffer.from('answer'), 0, 6);
    exchange.trailers(fieldBlockOf([['grpc-status', '0']]));
  });
  await join(options, async ({ client }) => {
    const { head } = client;
    head.begin();
    head.request({ method: 'POST', scheme: 'http', authority: 'a', path: '/m' });
    head.field('x-a', '1');
    head.end();
    const response = new ResponseCollector(() => exchange);
    const exchange = client.request(response, false);
    exchange?.write(Buffer.from('question'), 0, 8);
    exchange?.trailers(fieldBlockOf([['x-t', '2']]));
    await until('the end', () => response.closed);
    assert.deepEqual(seen, ['POST', '/m', '1', 'question', [['x-t', '2']]]);
    assert.deepEqual(
      [response.status, response.body.toString(), response.trailers, response.error],
      [200, 'answer', [['grpc-status', '0']], undefined],
    );
    assert.deepEqual([exchange?.bytesSent, exchange?.bytesReceived, exchange?.closed], [8, 6, true]);
  });
});

test('interim responses come before the final one', async () => {
  const options = answering(({ exchange }) => {
    for (const status of [100, 103]) {
      exchange.head.begin();
      exchange.head.status(status);
      exchange.head.end();
      exchange.interim();
    }
    respondText(exchange, 204, '');
  });
  await join(options, async ({ client }) => {
    const asked = ask(client, {});
    await until('the end', () => asked?.response.closed);
    assert.deepEqual(
      [asked?.response.interims, asked?.response.status, asked?.exchange.begun],
      [[100, 103], 204, true],
    );
  });
});

test('each direction ends by itself', async () => {
  let exchange: ServerExchange | undefined;
  const request = new Collector(() => exchange);
  const onRequest: ServerOptions['onRequest'] = (opened) => {
    exchange = opened;
    respondText(opened, 200, 'early');
    return request;
  };
  await join({ onRequest }, async ({ client, server }) => {
    const { head } = client;
    head.begin();
    head.request({ method: 'POST', scheme: 'http', authority: 'a', path: '/' });
    head.end();
    const response = new ResponseCollector(() => asked);
    const asked = client.request(response, false);
    await until('the response', () => response.ended);
    assert.equal(response.closed, false);
    asked?.write(Buffer.from('late'), 0, 4, true);
    await until('the request', () => request.closed);
    assert.equal(request.body.toString(), 'late');
    assert.equal(server.streamCount, 0);
    await until('the client knows', () => response.closed);
  });
});

test('a server that has answered may want no more of the request', async () => {
  const onRequest: ServerOptions['onRequest'] = (exchange) => {
    respondText(exchange, 413, 'no');
    exchange.reset(Http2Code.noError);
    return new Collector(() => exchange);
  };
  await join({ onRequest }, async ({ client, server }) => {
    const { head } = client;
    head.begin();
    head.request({ method: 'POST', scheme: 'http', authority: 'a', path: '/' });
    head.end();
    const response = new ResponseCollector(() => undefined);
    const asked = client.request(response, false);
    asked?.write(Buffer.alloc(200_000), 0, 200_000);
    await until('the end', () => response.closed);
    assert.deepEqual(
      [response.status, response.body.toString(), response.ended, response.error?.data['http2Code']],
      [413, 'no', true, Http2Code.noError],
    );
    const again = ask(client, {});
    await until('again', () => again?.response.closed);
    assert.equal(server.streamCount, 0);
  });
});

test('resets reach the other end with their code, and nobody hears of his own', async () => {
  const exchanges: ServerExchange[] = [];
  const requests: Collector[] = [];
  const onRequest: ServerOptions['onRequest'] = (exchange) => {
    exchanges.push(exchange);
    requests.push(new Collector(() => exchange));
    return requests.at(-1) ?? assert.fail();
  };
  await join({ onRequest }, async ({ client }) => {
    const [first, second] = [ask(client, {}), ask(client, {})];
    await until('both', () => exchanges.length === 2);
    first?.exchange.reset();
    exchanges[1]?.reset(Http2Code.internalError);
    await until('ends', () => requests[0]?.closed === true && second?.response.closed === true);
    assert.equal(requests[0]?.error?.code, 'reset');
    assert.equal(requests[0]?.error?.data['http2Code'], Http2Code.cancel);
    assert.equal(second?.response.error?.data['http2Code'], Http2Code.internalError);
    assert.deepEqual([first?.response.closed, requests[1]?.closed], [false, false]);
    // Nothing of it is of any consequence any more.
    exchanges[0]?.write(Buffer.from('x'), 0, 1, true);
    exchanges[0]?.trailers(new FieldBlock());
    exchanges[0]?.release(1);
    first?.exchange.reset();
  });
});

test('a body waits for who reads it, in bounded memory, and trailers wait behind it', async () => {
  const limits = { streamWindowBytes: 100_000, connectionWindowBytes: 200_000 };
  const total = 3_000_000;
  let exchange: ServerExchange | undefined;
  let sent = 0;
  let mostAhead = 0;
  let received = 0;
  const chunk = Buffer.alloc(10_000, 7);
  const pump = (): void => {
    while (exchange !== undefined && sent < total) {
      sent += chunk.length;
      mostAhead = Math.max(mostAhead, sent - received);
      if (!exchange.write(chunk, 0, chunk.length)) break;
    }
    if (sent >= total) exchange?.trailers(fieldBlockOf([['x-end', '1']]));
  };
  const onRequest: ServerOptions['onRequest'] = (opened, { method }) => {
    if (method === 'HEAD') {
      beginResponse(opened, 200, [], true);
      return new Collector(() => opened);
    }
    exchange = opened;
    beginResponse(opened, 200);
    const request = new Collector(() => opened);
    request.onDrain = pump;
    pump();
    return request;
  };
  await join(
    { onRequest },
    async ({ client }) => {
      const { head } = client;
      head.begin();
      head.request({ method: 'GET', scheme: 'http', authority: 'a', path: '/' });
      head.end();
      const response = new ResponseCollector(() => undefined);
      let held = 0;
      response.onData = (memory, start, end) => {
        assert.ok(memory.subarray(start, end).every((byte) => byte === 7));
        received += end - start;
        held += end - start;
      };
      const asked = client.request(response, true);
      await until('as much as the window allows', () => received === limits.streamWindowBytes);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(received, limits.streamWindowBytes);
      assert.ok(mostAhead <= limits.streamWindowBytes + 2 * chunk.length, `${mostAhead}`);
      // Another exchange of the connection is not held up by it.
      const other = ask(client, { method: 'HEAD' });
      await until('the other', () => other?.response.closed);
      while (!response.closed) {
        asked?.release(held);
        held = 0;
        await new Promise(setImmediate);
      }
      assert.deepEqual([received, response.trailers, response.error], [total, [['x-end', '1']], undefined]);
    },
    { limits },
  );
});

test('trailers that are sent while the body waits for credit come behind it, and are kept', async () => {
  const options = answering(({ exchange }) => {
    beginResponse(exchange, 200);
    assert.equal(exchange.write(Buffer.alloc(120_000), 0, 120_000), false);
    const trailers = fieldBlockOf([
      ['date', 'dropped'],
      ['x-t', 'kept'],
    ]);
    exchange.trailers(trailers, Uint8Array.of(1, 0));
    trailers.bytes.fill(0);
    // Too late for either.
    exchange.write(Buffer.from('x'), 0, 1, true);
    exchange.trailers(fieldBlockOf([['x-t', 'late']]));
  });
  await join(
    options,
    async ({ client }) => {
      const asked = ask(client, {});
      await until('the end', () => asked?.response.closed);
      assert.deepEqual(
        [asked?.response.body.length, asked?.response.trailers, asked?.response.error],
        [120_000, [['x-t', 'kept']], undefined],
      );
    },
    { limits: { streamWindowBytes: 50_000, connectionWindowBytes: 100_000 } },
  );
});

test('an exchange that ends gives back what its reader still holds', async () => {
  const limits = { streamWindowBytes: 50_000, connectionWindowBytes: 100_000 };
  const options = answering(({ exchange }) => {
    beginResponse(exchange, 200);
    exchange.write(Buffer.alloc(40_000), 0, 40_000, true);
  });
  await join(
    options,
    async ({ client }) => {
      for (let i = 0; i < 20; i += 1) {
        const asked = ask(client, {});
        if (asked !== undefined) asked.response.onData = () => {};
        await until('the end', () => asked?.response.closed);
        assert.equal(asked?.response.error, undefined);
      }
    },
    { limits },
  );
});

test('a head of many frames arrives whole', async () => {
  const fields: FieldList = Array.from({ length: 40 }, (_, i) => [`x-${i}`, 'v'.repeat(1400)]);
  const options = answering(({ exchange, head }) =>
    beginResponse(exchange, 200, [...fields, ['x-count', String(head.count)]], true),
  );
  await join(options, async ({ client }) => {
    const asked = ask(client, { fields });
    await until('the end', () => asked?.response.closed);
    assert.deepEqual(asked?.response.fields, [...fields, ['x-count', '40']]);
  });
});

test('a client makes as many requests as the server takes at a time, and hears of room', async () => {
  let room = 0;
  const waiting: ServerExchange[] = [];
  const options = answering(({ exchange }) => void waiting.push(exchange), { limits: { serverStreamsMax: 3 } });
  await join(
    options,
    async ({ client }) => {
      await until('settings', () => client.freeStreamCount === 3);
      assert.equal(client.takesExtendedConnect, true);
      const asked = [1, 2, 3].map(() => ask(client, {}));
      assert.equal(ask(client, {}), undefined);
      await until('requests', () => waiting.length === 3);
      const before = room;
      for (const exchange of waiting) respondText(exchange, 200, 'ok');
      await until('responses', () => asked.every((each) => each?.response.closed));
      assert.ok(room > before);
      assert.equal(client.freeStreamCount, 3);
    },
    { onCapacity: () => (room += 1) },
  );
});

test('CONNECT and extended CONNECT are tunnels', async () => {
  const protocols: string[] = [];
  const onRequest: ServerOptions['onRequest'] = (exchange, head) => {
    protocols.push(`${head.form} ${head.protocol}`);
    beginResponse(exchange, 200);
    const echo = new Collector(() => exchange);
    echo.onData = (memory, start, end) => {
      exchange.write(memory, start, end);
      exchange.release(end - start);
    };
    echo.onEnd = () => exchange.end();
    return echo;
  };
  await join({ onRequest }, async ({ client }) => {
    await until('settings', () => client.takesExtendedConnect);
    for (const target of [{ path: '' }, { path: '/chat', protocol: 'websocket' }]) {
      const { head } = client;
      head.begin();
      head.request({ method: 'CONNECT', scheme: 'http', authority: 'a:1', ...target });
      assert.ok(head.end(), head.problem);
      const response = new ResponseCollector(() => exchange);
      const exchange = client.request(response, false);
      exchange?.write(Buffer.from('ping'), 0, 4);
      await until('the echo', () => response.body.toString() === 'ping');
      assert.equal(response.framing, 'tunnel');
      exchange?.end();
      await until('the end', () => response.closed);
      assert.equal(response.error, undefined);
    }
    assert.deepEqual(protocols, ['authority ', 'origin websocket']);
  });
});

test('a head is written before a body, and whole', async () => {
  await join(
    {
      onRequest: (exchange) => {
        assert.throws(() => exchange.write(Buffer.from('x'), 0, 1), /before its head/);
        assert.throws(() => exchange.trailers(new FieldBlock()), /before a head/);
        exchange.head.begin();
        exchange.head.status(42);
        exchange.head.end();
        assert.throws(() => exchange.respond(true), /not complete/);
        return new Collector(() => exchange);
      },
    },
    async ({ client, server }) => {
      ask(client, {});
      await until('the request', () => server.streamCount === 1);
    },
  );
});

test('a drained client ends after its last exchange, a destroyed server ends all', async () => {
  const waiting: ServerExchange[] = [];
  let closed = 0;
  await using server = await listenHttp2(
    answering(({ exchange }) => void waiting.push(exchange), { onClose: () => (closed += 1) }),
    (each) => servers.push(each),
  );
  const servers: Http2Server[] = [];
  const client = await connectHttp2(server.port);
  const asked = ask(client, {});
  await until('the request', () => waiting.length === 1);
  client.drain();
  assert.equal(client.state, 'draining');
  respondText(waiting[0] ?? assert.fail(), 200, 'last');
  await until('the end', () => client.state === 'closed' && closed === 1);
  assert.equal(asked?.response.body.toString(), 'last');
  const second = await connectHttp2(server.port);
  const cut = ask(second, {});
  await until('the request', () => waiting.length === 2);
  servers[1]?.destroy(Http2Code.enhanceYourCalm);
  await until('the end', () => cut?.response.closed);
  assert.equal(second.state, 'closed');
});

test('a socket that is no HTTP/2 at all is closed', async () => {
  await using server = await listenHttp2(answering(() => {}));
  const socket = dial(server.port);
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  let closed = false;
  socket.on('close', () => (closed = true));
  socket.on('end', () => socket.destroy()).resume();
  await until('the end', () => closed);
});
