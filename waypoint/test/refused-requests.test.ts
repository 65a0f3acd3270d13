import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { sparing } from '../src/overload/sparing-pipeline.ts';
import { HttpWorld } from './http-world.ts';
import { answers, GET, OK_OUT, refusal } from './http1-messages.ts';

checkLeaks();

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
