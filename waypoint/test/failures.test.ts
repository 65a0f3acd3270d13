import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { HttpWorld } from './http-world.ts';
import { answers, GET, OK, OK_OUT, refusal } from './http1-messages.ts';

checkLeaks();

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
