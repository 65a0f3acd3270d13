import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkLeaks, connectBlock, dial, frameOf, securePeer, uint32, until, webSvid } from '@ambit/mesh/testing';
import { sparing } from '../src/overload/sparing-pipeline.ts';
import { NO_COMPILED_EDITS } from '../src/http/header-edits.ts';
import { HttpWorld, type Party } from './http-world.ts';

checkLeaks();

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const OK_OUT = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** Answers every request without a body. */
const answers =
  (answer: string = OK) =>
  (party: Party): void => {
    party.onPiece = (from, memory, start, end) => {
      const heads = memory.toString('latin1', start, end).split('\r\n\r\n').length - 1;
      for (let i = 0; i < heads; i += 1) from.send(answer);
    };
  };

function refusal(status: string, text: string, closes: boolean): string {
  const option = closes ? 'connection: close\r\n' : '';
  return `HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\ncontent-length: ${text.length + 1}\r\n${option}\r\n${text}\n`;
}

const INVALID = refusal('400 Bad Request', 'the request is not valid HTTP', true);

// What one server reads as one request and another as two. Nothing after the first head may reach a server.
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n';
for (const [name, head, status] of [
  ['CL.TE', 'Content-Length: 4\r\nTransfer-Encoding: chunked', '400 Bad Request'],
  ['two lengths', 'Content-Length: 4\r\nContent-Length: 40', '400 Bad Request'],
  ['two equal lengths', 'Content-Length: 4\r\nContent-Length: 4', '400 Bad Request'],
  ['a signed length', 'Content-Length: +4', '400 Bad Request'],
  ['a list of lengths', 'Content-Length: 4, 4', '400 Bad Request'],
  ['TE.TE', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', '400 Bad Request'],
  ['an odd coding', 'Transfer-Encoding: xchunked', '400 Bad Request'],
  ['white space before the colon', 'Transfer-Encoding : chunked', '400 Bad Request'],
  ['a folded line', 'X: 1\r\n Transfer-Encoding: chunked', '400 Bad Request'],
  ['a bare LF', 'X: 1\nTransfer-Encoding: chunked', '400 Bad Request'],
  ['a length that Connection takes away', 'Connection: Content-Length\r\nContent-Length: 4', '400 Bad Request'],
  ['two hosts', 'Host: other', '400 Bad Request'],
] as const) {
  test(`smuggling is refused, and its connection closed: ${name}`, async () => {
    await using world = await HttpWorld.open({ kind: 'plain', servers: [answers()] });
    const client = await world.client();
    client.send(`POST / HTTP/1.1\r\nHost: h\r\n${head}\r\n\r\n0\r\n\r\n${SMUGGLED}`);
    await until('the connection ends', () => client.ended);
    assert.equal(client.text, INVALID.replace('400 Bad Request', status));
    assert.equal(world.served.length, 0);
    assert.deepEqual(
      world.exchanges.map(({ status: code, reason }) => [code, reason]),
      [[400, 'bad-request']],
    );
  });
}

for (const [cause, reason, text] of [
  ['memory', 'no-memory', 'the proxy is short of memory'],
  ['lag', 'busy', 'the proxy has too much to do'],
] as const) {
  test(`what is refused for ${cause} is answered at once, and the connection serves what comes when it is over`, async () => {
    let refuses = true;
    const guard = { refusal: () => (refuses ? cause : null) };
    await using world = await HttpWorld.open({
      kind: 'tunnel',
      servers: [answers()],
      decide: (request, forward) => sparing({ decide: () => forward }, guard).decide(request),
    });
    const client = await world.client();
    client.send(GET);
    const refused = refusal('503 Service Unavailable', text, false).replace('\r\n\r\n', '\r\nretry-after: 1\r\n\r\n');
    await until('refused', () => client.text.length >= refused.length);
    assert.equal(client.take(), refused);
    assert.equal(world.served.length, 0);
    refuses = false;
    client.send(GET);
    await until('served', () => client.text === OK_OUT);
    assert.deepEqual(
      world.exchanges.map(({ status, reason: why }) => [status, why]),
      [
        [503, reason],
        [200, null],
      ],
    );
  });
}

test('a fault in a body that is on its way ends both connections, and what follows reaches nobody', async () => {
  await using world = await HttpWorld.open({ kind: 'plain' });
  const client = await world.client();
  client.send(`POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n${SMUGGLED}`);
  const server = await world.server();
  await until('both are over', () => server.isOver && client.ended);
  assert.equal(client.text, INVALID);
  assert.equal(server.text.includes('smuggled'), false);
});

for (const [request, status, text] of [
  ['CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n', '405', 'CONNECT is not served here'],
  ['GET /a%2fb HTTP/1.1\r\nHost: h\r\n\r\n', '400', 'servers may read the path in several ways'],
  ['GET / HTTP/2.0\r\nHost: h\r\n\r\n', '505', 'the request is not valid HTTP'],
  [`GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: h\r\n\r\n`, '414', 'the request is not valid HTTP'],
  [`GET / HTTP/1.1\r\nHost: h\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`, '431', 'the request is not valid HTTP'],
] as const) {
  test(`${request.slice(0, 20).trim()}... is answered with ${status}`, async () => {
    await using world = await HttpWorld.open({ kind: 'tunnel' });
    const client = await world.client();
    client.send(request);
    await until('it is answered', () => client.text.endsWith(`${text}\n`));
    assert.equal(client.text.slice(0, 12), `HTTP/1.1 ${status}`);
    assert.equal(world.served.length, 0);
  });
}

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
  describe(`a server that fails (${kind})`, () => {
    test('is replaced by another when it cannot be reached, whatever the method', async () => {
      await using world = await HttpWorld.open({ kind, deadEndpoint: true });
      const client = await world.client();
      client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi');
      const server = await world.server();
      await until('the body arrives', () => server.text.endsWith('\r\n\r\nhi'));
      server.send(OK);
      await until('it is answered', () => client.text === OK_OUT);
      assert.deepEqual([world.exchanges[0]?.attempts, world.exchanges[0]?.status], [2, 200]);
    });

    test('is asked again when it closed a connection that had been idle, if that does no harm', async () => {
      const script: (() => void)[] = [];
      await using world = await HttpWorld.open({
        kind,
        servers: [
          (party) => {
            let requests = 0;
            party.onPiece = (from) => {
              requests += 1;
              // The first connection dies at its second request.
              if (requests === 1) from.send(OK);
              else from.carrier.reset();
              script.push(() => {});
            };
          },
        ],
      });
      const client = await world.client();
      client.send(GET);
      await until('the first is answered', () => client.text === OK_OUT);
      client.send(GET);
      await until('the second is answered', () => client.text === OK_OUT + OK_OUT);
      assert.deepEqual(
        world.exchanges.map(({ attempts, status }) => [attempts, status]),
        [
          [1, 200],
          [2, 200],
        ],
      );
      assert.equal(world.served.length, 2);
      const other = await world.client();
      other.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi');
      await until('the POST is answered', () => other.text.length > 0);
      assert.equal(
        other.text,
        refusal('503 Service Unavailable', 'the server closed the connection before its answer', false),
      );
    });

    test('before its answer: 503', async () => {
      await using world = await HttpWorld.open({
        kind,
        servers: [(party) => void (party.onPiece = () => party.carrier.reset())],
      });
      const client = await world.client();
      client.send(GET);
      const text = 'the server closed the connection before its answer';
      await until('it is answered', () => client.text === refusal('503 Service Unavailable', text, false));
      assert.equal(world.exchanges[0]?.reason, 'upstream-gone');
    });

    test('in the head of its answer: 502', async () => {
      await using world = await HttpWorld.open({ kind });
      const client = await world.client();
      client.send(GET);
      const server = await world.server();
      await until('the request arrives', () => server.text.endsWith('\r\n\r\n'));
      server.send('HTTP/1.1 200 OK\r\nContent-Le');
      server.carrier.end();
      const text = 'the answer of the server ended in its middle';
      await until('it is answered', () => client.text === refusal('502 Bad Gateway', text, false));
    });

    test('with what is no answer: 502', async () => {
      await using world = await HttpWorld.open({ kind, servers: [answers('SSH-2.0\r\n\r\n')] });
      const client = await world.client();
      client.send(GET);
      const text = 'the answer of the server is not valid HTTP';
      await until('it is answered', () => client.text === refusal('502 Bad Gateway', text, false));
    });

    for (const [name, answer] of [
      ['a body with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345'],
      ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n'],
    ] as const) {
      test(`in the middle of ${name}: the client is cut, and cannot take it for whole`, async () => {
        await using world = await HttpWorld.open({ kind });
        const client = await world.client();
        client.send(GET);
        const server = await world.server();
        await until('the request arrives', () => server.text.endsWith('\r\n\r\n'));
        server.send(answer);
        await until('the beginning arrives', () => client.text.includes('12345'));
        server.carrier.reset();
        await until('the client is cut', () => client.isOver);
        assert.equal(client.text.endsWith('0\r\n\r\n'), false);
        assert.deepEqual([world.exchanges[0]?.status, world.exchanges[0]?.reason], [200, 'upstream-truncated']);
      });
    }
  });

  test(`a client that goes takes its request with it (${kind})`, async () => {
    await using world = await HttpWorld.open({ kind });
    const client = await world.client();
    client.send(GET);
    const server = await world.server();
    await until('the request arrives', () => server.text.endsWith('\r\n\r\n'));
    client.carrier.reset();
    await until('the server is told', () => server.isOver);
    assert.deepEqual([world.exchanges[0]?.status, world.exchanges[0]?.reason], [0, 'client-gone']);
    assert.equal(world.pools[0]?.connectionCount, 0);
  });

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

test('an answer before the end of its request ends the connection, and the request is sent no further', async () => {
  await using world = await HttpWorld.open({ kind: 'plain' });
  const client = await world.client();
  client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc');
  const server = await world.server();
  await until('the beginning arrives', () => server.text.endsWith('abc'));
  server.send('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n');
  await until('it is answered', () => client.ended);
  assert.equal(client.text, 'HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  await until('the server is rid of it', () => server.isOver);
});

test('a request that is not repeated waits for a connection, and is refused when too many do', async () => {
  await using world = await HttpWorld.open({ kind: 'plain', upstreamLimits: { connectionsMax: 1, waitersMax: 1 } });
  const [first, second, third] = [await world.client(), await world.client(), await world.client()];
  first.send(GET);
  const server = await world.server();
  await until('the first arrives', () => server.text.endsWith('\r\n\r\n'));
  second.send(GET);
  await until('the second waits', () => world.pools[0]?.load === 2);
  third.send(GET);
  const text = 'too many requests wait for this service';
  await until('the third is refused', () => third.text === refusal('503 Service Unavailable', text, false));
  server.take();
  server.send(OK);
  await until('the second is sent', () => server.text.endsWith('\r\n\r\n'));
  server.send(OK);
  await until('both are answered', () => first.text === OK_OUT && second.text === OK_OUT);
});

test('bytes that nobody asked for end a connection to a server', async () => {
  await using world = await HttpWorld.open({ kind: 'plain' });
  const client = await world.client();
  client.send(GET);
  const server = await world.server();
  await until('the request arrives', () => server.text.endsWith('\r\n\r\n'));
  server.send(`${OK}${OK}`);
  await until('the server is dropped', () => server.isOver || server.ended);
  assert.equal(client.text, OK_OUT);
  assert.equal(world.pools[0]?.connectionCount, 0);
});

describe('time', () => {
  test('a head that does not come to an end is answered with 408', async () => {
    await using world = await HttpWorld.open({ kind: 'plain', limits: { headTimeoutMs: 50 } });
    const client = await world.client();
    client.send('GET / HTTP/1.1\r\nHo');
    await until('it is answered', () => client.ended);
    assert.equal(client.text, refusal('408 Request Timeout', 'the request took too long to arrive', true));
  });

  test('a connection that is not used is closed, without a word', async () => {
    await using world = await HttpWorld.open({ kind: 'plain', limits: { idleTimeoutMs: 50 } });
    const client = await world.client();
    await until('it is closed', () => client.ended);
    assert.deepEqual([client.text, world.exchanges], ['', []]);
  });

  test('an answer that takes longer than its route allows: 504, and the server is told', async () => {
    await using world = await HttpWorld.open({
      kind: 'plain',
      decide: (_request, forward) => ({ ...forward, timeoutMs: 30 }),
    });
    const client = await world.client();
    client.send(GET);
    const server = await world.server();
    const text = 'the server took too long to answer';
    await until('it is answered', () => client.text === refusal('504 Gateway Timeout', text, false));
    await until('the server is told', () => server.isOver);
  });

  test('a connection to a server that nobody needs is closed', async () => {
    await using world = await HttpWorld.open({
      kind: 'plain',
      servers: [answers()],
      upstreamLimits: { idleTimeoutMs: 50 },
    });
    const client = await world.client();
    client.send(GET);
    await until('it is answered', () => client.text === OK_OUT);
    assert.equal(world.pools[0]?.connectionCount, 1);
    await until('it is closed', () => world.served[0]?.ended);
    assert.equal(world.pools[0]?.connectionCount, 0);
  });
});

test('drain: the next answer closes its connection, and one without a request is closed after a while', async () => {
  await using world = await HttpWorld.open({ kind: 'plain', servers: [answers()] });
  const [busy, idle] = [await world.client(), await world.client()];
  busy.send(GET);
  await until('it is answered', () => busy.text === OK_OUT);
  world.context.draining = true;
  for (const connection of [...world.connections]) connection.drain(60_000);
  busy.send(GET);
  await until('it is told', () => busy.ended);
  assert.equal(busy.text, `${OK_OUT}HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok`);
  assert.equal(idle.ended, false);
  for (const connection of [...world.connections]) connection.drain(1);
  await until('the other is closed', () => idle.ended);
});

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
