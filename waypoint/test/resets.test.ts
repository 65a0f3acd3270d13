import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { HttpWorld, type Party } from './http-world.ts';

checkLeaks();

const REQUEST = 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n';
const ANSWER = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n';
const STEP = 7;

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** How one side gives up. */
const WAYS = {
  reset: (party: Party) => party.carrier.reset(),
  end: (party: Party) => party.carrier.end(),
} as const;

for (const kind of ['plain', 'tunnel'] as const) {
  for (const [way, giveUp] of Object.entries(WAYS)) {
    test(`whoever goes after any byte (${way}, ${kind}): one record, nothing left open, and the next client is served`, async () => {
      await using world = await HttpWorld.open({ kind });
      let served = 0;
      for (let at = STEP; at < REQUEST.length; at += STEP) {
        const client = await world.client();
        client.send(REQUEST.slice(0, at));
        await turn();
        giveUp(client);
        await until(`the client of ${at} bytes is over`, () => client.isOver);
      }
      await until('nothing is left of them', () => world.connections.size === 0);
      served = world.served.length;
      for (let at = 0; at < ANSWER.length; at += STEP) {
        const before = world.exchanges.length;
        const client = await world.client();
        client.send(REQUEST);
        const server = await world.server(served);
        served += 1;
        await until('the request arrives', () => server.text.endsWith('X-T: 1\r\n\r\n'));
        server.send(ANSWER.slice(0, at));
        await turn();
        giveUp(server);
        await until(`an exchange of ${at} bytes is recorded`, () => world.exchanges.length === before + 1);
        client.carrier.reset();
        await until('the client is over', () => client.isOver);
      }
      await until('nothing is left of these either', () => world.connections.size === 0);
      const client = await world.client();
      client.send(REQUEST);
      const server = await world.server(served);
      await until('the last request arrives', () => server.text.endsWith('X-T: 1\r\n\r\n'));
      server.send(ANSWER);
      await until('the last is answered', () => client.text.endsWith('X-T: 1\r\n\r\n'));
      assert.equal(world.pools[0]?.connectionCount, 1);
    });
  }
}
