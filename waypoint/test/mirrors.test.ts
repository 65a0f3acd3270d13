import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeaks, listen, until } from '@ambit/mesh/testing';
import { DEFAULT_MIRROR_LIMITS } from '../src/http/mirror-budget.ts';
import { HttpWorld, type Party } from './http-world.ts';
import { serve } from './peers.ts';

checkLeaks();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const OK_OUT = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const post = (length: number, body = 'x'.repeat(length)): string =>
  `POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n${body}`;

/** Answers once that many bytes of a body have come. */
const answersAfter =
  (length: number, answer = OK) =>
  (party: Party): void => {
    let text = '';
    party.onPiece = (_, memory, start, end) => {
      text += memory.toString('latin1', start, end);
      const body = text.indexOf('\r\n\r\n') + 4;
      if (body < 4 || text.length < body + length) return;
      text = text.slice(body + length);
      party.send(answer);
    };
  };

for (const kind of ['plain', 'tunnel'] as const) {
  test(`a mirror gets head and body of a request, whose answer is that of the server alone (${kind})`, async () => {
    await using world = await HttpWorld.open({ kind, servers: [answersAfter(10)], mirror: () => {} });
    const client = await world.client();
    client.send(post(10));
    await until('answered', () => client.text === OK_OUT);
    const copy = await until('copied', () => world.mirrored[0]?.text.endsWith('xxxxxxxxxx') && world.mirrored[0].text);
    assert.match(copy, /^POST \/a\?b HTTP\/1.1\r\nHost: h\r\n/);
    assert.match(copy, /\r\nx-forwarded-for: 10.0.0.1\r\n/);
    world.mirrored[0]?.send('HTTP/1.1 500 Internal Server Error\r\nContent-Length: 3\r\n\r\nbad');
    await until('counted', () => world.context.mirrors.counts.answered === 1);
    assert.equal(client.text, OK_OUT);
    assert.deepEqual(
      world.exchanges.map(({ status, attempts }) => [status, attempts]),
      [[200, 1]],
    );
  });
}

test('the connections of a mirror are used again', async () => {
  await using world = await HttpWorld.open({ kind: 'plain', servers: [answersAfter(1)], mirror: answersAfter(1) });
  const client = await world.client();
  for (let i = 1; i <= 3; i += 1) {
    client.send(post(1));
    await until('answered', () => client.text === OK_OUT);
    client.take();
    await until('mirrored', () => world.context.mirrors.counts.answered === i);
  }
  assert.equal(world.mirrored.length, 1);
});

test('a mirror that nobody can reach changes nothing', async () => {
  let port = 0;
  {
    await using gone = await listen(() => {});
    port = gone.port;
  }
  await using world = await HttpWorld.open({ kind: 'plain', servers: [answersAfter(1)], mirror: port });
  const client = await world.client();
  client.send(post(1));
  await until('answered', () => client.text === OK_OUT);
  await until('counted', () => world.context.mirrors.counts.failed === 1);
});

test('a mirror that does not read is given up, and the request goes on at its own pace', async () => {
  const size = 12 * 1024 * 1024;
  let received = 0;
  await using world = await HttpWorld.open({
    kind: 'plain',
    servers: [
      (party) => {
        party.onPiece = (_, __, start, end) => {
          received += end - start;
          if (received > size) party.send(OK);
        };
      },
    ],
    mirror: (party) => party.carrier.pause(),
    mirrorLimits: { ...DEFAULT_MIRROR_LIMITS, heldMaxBytes: 64 * 1024 },
  });
  const client = await world.client();
  client.send(post(size, ''));
  for (let i = 0; i < 12; i += 1) client.send(Buffer.alloc(1024 * 1024, 'x'));
  await until('answered', () => client.text === OK_OUT);
  assert.equal(world.context.mirrors.counts.slow, 1);
});

test('a mirror that does not answer is given up in time', async () => {
  await using world = await HttpWorld.open({
    kind: 'plain',
    servers: [answersAfter(1)],
    mirror: () => {},
    mirrorLimits: { ...DEFAULT_MIRROR_LIMITS, answerTimeoutMs: 30 },
  });
  const client = await world.client();
  client.send(post(1));
  await until('answered', () => client.text === OK_OUT);
  await until('given up', () => world.context.mirrors.counts.slow === 1 && world.mirrored[0]?.isOver);
});

test('what is cut of a request is cut of its copy', async () => {
  await using world = await HttpWorld.open({ kind: 'plain', mirror: () => {} });
  const client = await world.client();
  client.send(post(10, 'half'));
  await until('copied', () => world.mirrored[0]?.text.endsWith('half'));
  client.carrier.reset();
  await until('cut', () => world.mirrored[0]?.wasCut === true || world.mirrored[0]?.isOver);
  assert.equal(world.context.mirrors.counts.cut, 1);
});

test('more copies than there may be are not begun', async () => {
  await using world = await HttpWorld.open({
    kind: 'plain',
    servers: [answersAfter(1)],
    mirror: () => {},
    mirrorLimits: { ...DEFAULT_MIRROR_LIMITS, copiesMax: 1 },
  });
  const client = await world.client();
  for (let i = 0; i < 2; i += 1) {
    client.send(post(1));
    await until('answered', () => client.text === OK_OUT);
    client.take();
  }
  assert.deepEqual([world.context.mirrors.counts['too-many'], world.mirrored.length], [1, 1]);
});

test('a mirror speaks what its port declares', async () => {
  const copies: string[] = [];
  await using copy = await serve('http2', (request, response) => {
    request.setEncoding('utf8');
    request.on('data', (text: string) => copies.push(`${request.method} ${request.url} ${text}`));
    request.on('end', () => response.end());
  });
  await using world = await HttpWorld.open({
    kind: 'plain',
    servers: [answersAfter(4)],
    mirror: copy.port,
    mirrorProtocol: 'http2',
  });
  const client = await world.client();
  client.send(post(4));
  await until('answered', () => client.text === OK_OUT);
  await until('mirrored', () => world.context.mirrors.counts.answered === 1);
  assert.deepEqual(copies, ['POST /a?b xxxx']);
});
