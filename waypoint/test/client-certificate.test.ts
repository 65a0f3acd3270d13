import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeaks } from '@ambit/mesh/testing';
import { HttpWorld } from './http-world.ts';
import { ask, type Protocol, serve } from './peers.ts';

checkLeaks();

const OURS = 'By=spiffe://a/ns/b/sa/waypoint;URI=spiffe://a/ns/b/sa/web';
const WHO = 'x-forwarded-client-cert';

for (const client of ['http1', 'http2'] as const satisfies readonly Protocol[]) {
  for (const server of ['http1', 'http2'] as const satisfies readonly Protocol[]) {
    for (const certificate of [OURS, undefined]) {
      test(`a client of ${client} cannot tell a server of ${server} who it is, we ${certificate ? '' : 'need not '}do`, async () => {
        const told: unknown[] = [];
        await using peer = await serve(server, ({ headers }, response) => {
          told.push([headers[WHO], headers['x-forwarded-for'], headers['x-forwarded-proto']]);
          response.end();
        });
        await using world = await HttpWorld.open({
          kind: 'plain',
          ...(client === 'http2' ? { clientProtocol: 'http2' as const } : {}),
          ...(certificate === undefined ? {} : { certificate }),
          protocol: server,
          serverPorts: [peer.port],
        });
        const forged = 'By=spiffe://a/ns/b/sa/waypoint;URI=spiffe://a/ns/b/sa/admin';
        for (const more of [{}, { 'x-forwarded-for': '1.2.3.4' }, { 'x-forwarded-proto': 'https' }])
          await ask(client, world.port, { headers: { [WHO]: forged, ...more } });
        assert.deepEqual(told, [
          [certificate, '10.0.0.1', 'http'],
          [certificate, '1.2.3.4, 10.0.0.1', 'http'],
          [certificate, '10.0.0.1', 'https'],
        ]);
      });
    }
  }
}
