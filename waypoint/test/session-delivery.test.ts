import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { compileEdits } from '../src/http/header-edits.ts';
import type { Delivery } from '../src/http/pipeline.ts';
import type { Cluster, Endpoint } from '../src/upstream/cluster.ts';
import { HttpWorld, type Party } from './http-world.ts';

checkLeaks();

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const UPGRADE =
  'GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n';

/** Says who it is to every request, and after so many ends the connection at the next one. */
function serverNamed(name: string, heard: string[], requestsMax = Number.POSITIVE_INFINITY): (party: Party) => void {
  return (party) => {
    let count = 0;
    party.onPiece = (_, memory, start, end) => {
      count += 1;
      const isUpgrade = /^upgrade: websocket/im.test(memory.toString('latin1', start, end));
      heard.push(count > requestsMax ? `${name} cuts` : name);
      if (count > requestsMax) party.carrier.end();
      else if (isUpgrade)
        party.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      else party.send(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`);
    };
  };
}

/** A session with one of the cluster's endpoints, which the answer names. */
function sessionAt(cluster: Cluster, index: number): Delivery {
  const nameOf = (endpoint: Endpoint): string => `at-${cluster.endpoints.indexOf(endpoint)}`;
  return {
    ...{ retry: null, attemptTimeoutMs: null, mirrors: [] },
    session: {
      endpoint: cluster.endpoints[index],
      editsFrom: (endpoint) =>
        compileEdits({ dropped: new Set(), appended: [{ name: 'set-cookie', value: `c=${nameOf(endpoint)}` }] }),
    },
  };
}

for (const kind of ['plain', 'tunnel'] as const) {
  describe(`a request of a session (${kind})`, () => {
    const open = (
      servers: readonly ((party: Party) => void)[],
      index: number,
      deadEndpoint = false,
    ): Promise<HttpWorld> =>
      HttpWorld.open({
        ...{ kind, servers, deadEndpoint },
        decide: (_, forward) => ({ ...forward, delivery: sessionAt(forward.cluster, index) }),
      });

    test('goes to its endpoint, and the answer says so', async () => {
      const heard: string[] = [];
      await using world = await open([serverNamed('a', heard), serverNamed('b', heard)], 1);
      const client = await world.client();
      client.send(GET);
      await until('answered', () => client.text.endsWith('b'));
      assert.match(client.text, /\r\nset-cookie: c=at-1\r\n/);
    });

    test('goes to its endpoint as an upgrade, too', async () => {
      await using world = await open([serverNamed('a', []), serverNamed('b', [])], 1);
      const client = await world.client();
      client.send(UPGRADE);
      await until('granted', () => client.text.includes('\r\n\r\n'));
      assert.match(client.text, /^HTTP\/1\.1 101 [^]*\r\nset-cookie: c=at-1\r\n/);
    });

    test('goes there again when a connection that was used before is gone', async () => {
      const heard: string[] = [];
      await using world = await open([serverNamed('a', heard), serverNamed('b', heard, 1)], 1);
      const client = await world.client();
      for (const count of [1, 2]) {
        client.send(GET);
        await until('answered', () => client.text.split('200 OK').length === count + 1 && client.text.endsWith('b'));
      }
      assert.deepEqual(heard, ['b', 'b cuts', 'b']);
    });

    test('goes elsewhere when its endpoint cannot be reached, and the answer says where', async () => {
      await using world = await open([serverNamed('a', [])], 0, true);
      const client = await world.client();
      client.send(GET);
      await until('answered', () => client.text.endsWith('a'));
      assert.match(client.text, /\r\nset-cookie: c=at-1\r\n/);
    });
  });
}
