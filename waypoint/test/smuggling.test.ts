import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { HttpWorld, type Party } from './http-world.ts';
import { askOn } from './peers.ts';

// What one side reads as one message and the other as two, seen through the whole proxy.

checkLeaks();

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Answers whatever ends like this. */
const answersAt =
  (ending: string, answer: string) =>
  (party: Party): void => {
    let text = '';
    party.onPiece = (from, memory, start, end) => {
      text += memory.toString('latin1', start, end);
      if (!text.endsWith(ending)) return;
      from.send(answer);
    };
  };

test('trailers behind a body of a declared length do not reach a server of HTTP/1.1, which would take them for a request', async () => {
  await using world = await HttpWorld.open({ kind: 'plain', clientProtocol: 'http2', protocol: 'http1' });
  const session = http2.connect(`http://127.0.0.1:${world.port}`).on('error', () => {});
  try {
    const question = { method: 'POST', body: 'hello', trailers: { 'x-t': '1' } };
    const asked = askOn(session, { ...question, headers: { 'content-length': '5' } });
    const server = await world.server();
    await until('the body arrives', () => server.text.endsWith('\r\n\r\nhello'));
    server.send(OK);
    assert.equal((await asked).status, 200);
    server.take();
    const next = askOn(session, {});
    await until('the next request arrives', () => server.text.endsWith('\r\n\r\n'));
    assert.match(server.text, /^GET \/ HTTP\/1.1\r\n/);
    server.send(OK);
    assert.equal((await next).status, 200);
    assert.equal(world.served.length, 1);
  } finally {
    session.destroy();
  }
});

// Whatever a server says beside its answer: it reaches nobody, neither this client nor the next.
for (const [name, answer] of [
  ['a second answer', `${OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged`],
  ['bytes that are nothing', `${OK}forged`],
  ['a body that 204 cannot have', 'HTTP/1.1 204 No Content\r\n\r\nforged'],
  ['a body of 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\nforged'],
] as const) {
  test(`what a server says beside its answer reaches nobody: ${name}`, async () => {
    await using world = await HttpWorld.open({ kind: 'plain', servers: [answersAt('\r\n\r\n', answer)] });
    for (let i = 0; i < 2; i += 1) {
      const client = await world.client();
      client.send(GET);
      await until('it is answered', () => world.exchanges.length === i + 1);
      client.send('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
      await until('it is over', () => client.ended);
      assert.equal(client.text.includes('forged'), false, client.text);
      world.exchanges.pop();
    }
    assert.equal(world.served.length, 4, 'no connection was used again');
  });
}
