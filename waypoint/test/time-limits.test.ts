import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { HttpWorld } from './http-world.ts';
import { answers, GET, OK_OUT, refusal } from './http1-messages.ts';

checkLeaks();

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
