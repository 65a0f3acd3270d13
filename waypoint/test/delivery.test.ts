import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import type { Delivery } from '../src/http/pipeline.ts';
import { HttpWorld, type WorldOptions } from './http-world.ts';
import { ask, type Request, type Response, serve } from './peers.ts';

checkLeaks();

/** Does with each request, once it is whole, what the step says whose turn it is; keeps bodies. */
function scripted(bodies: string[], ...steps: ((response: Response) => void)[]) {
  return (request: Request, response: Response): void => {
    let body = '';
    request.setEncoding('utf8');
    request.on('error', () => {});
    request.on('data', (text: string) => (body += text));
    request.on('end', () => {
      bodies.push(body);
      (steps.shift() ?? assert.fail('more requests than expected'))(response);
    });
  };
}

const busy = (response: Response): void => {
  response.statusCode = 503;
  response.end(Buffer.from('no'));
};
const ok = (response: Response): void => void response.end(Buffer.from('ok'));
const silent = (): void => {};

for (const client of ['http1', 'http2'] as const) {
  for (const server of ['http1', 'http2'] as const) {
    describe(`${client} to ${server}`, () => {
      const open = (port: number, delivery: Partial<Delivery>, more: Partial<WorldOptions> = {}): Promise<HttpWorld> =>
        HttpWorld.open({
          kind: 'plain',
          ...(client === 'http2' ? { clientProtocol: 'http2' as const } : {}),
          protocol: server,
          serverPorts: [port],
          decide: (_, forward) => ({
            ...forward,
            delivery: {
              retry: null,
              attemptTimeoutMs: null,
              mirrors: [],
              session: null,
              ...forward.delivery,
              ...delivery,
            },
          }),
          ...more,
        });
      const retry = { codes: [503], attempts: 2, backoffMs: 5 };

      test('a request with a body is sent again for a status, after a while', async () => {
        const bodies: string[] = [];
        await using peer = await serve(server, scripted(bodies, busy, busy, ok));
        await using world = await open(peer.port, { retry });
        const reply = await ask(client, world.port, { method: 'POST', body: 'body' });
        assert.deepEqual([reply.status, reply.body.toString(), bodies], [200, 'ok', ['body', 'body', 'body']]);
        await until('recorded', () => world.exchanges[0]?.attempts === 3);
      });

      for (const delivery of [{}, { retry: { codes: [], attempts: 2, backoffMs: 0 } }]) {
        const rule = 'retry' in delivery ? 'has a rule for' : 'knows nothing of';
        test(`a body follows to a connection that is free when another cannot be had, by a route that ${rule} retries`, async () => {
          const bodies: string[] = [];
          const requests = 6;
          await using peer = await serve(server, scripted(bodies, ...Array.from({ length: requests }, () => ok)));
          await using world = await open(peer.port, delivery, { deadEndpoint: true });
          for (let i = 0; i < requests; i++) {
            const reply = await ask(client, world.port, { method: 'POST', body: 'body' });
            assert.deepEqual([reply.status, bodies.length], [200, i + 1]);
          }
          assert.deepEqual([...new Set(bodies)], ['body']);
          // The first one made the connection that others were given at once.
          const again = world.exchanges.filter(({ attempts }) => attempts === 2);
          assert.ok(again.length >= 2, `${again.length} had a second attempt`);
        });
      }

      test('an attempt that takes too long is given up for another', async () => {
        const bodies: string[] = [];
        await using peer = await serve(server, scripted(bodies, silent, ok));
        await using world = await open(peer.port, { retry, attemptTimeoutMs: 400 });
        const reply = await ask(client, world.port, { method: 'PUT', body: 'body' });
        assert.deepEqual([reply.status, bodies], [200, ['body', 'body']]);
      });

      test('the last attempt that takes too long is answered for', async () => {
        await using peer = await serve(server, scripted([], silent));
        await using world = await open(peer.port, { attemptTimeoutMs: 60 });
        assert.equal((await ask(client, world.port, {})).status, 504);
      });

      test('a mirror gets the whole of a request that is longer than what is held at once', async () => {
        const bodies: string[] = [];
        const copies: string[] = [];
        const body = 'x'.repeat(200_000);
        await using peer = await serve(server, scripted(bodies, ok));
        await using copy = await serve(server, scripted(copies, busy));
        await using world = await open(peer.port, {}, { mirror: copy.port, mirrorProtocol: server });
        const reply = await ask(client, world.port, { method: 'POST', body });
        assert.equal(reply.status, 200);
        await until('mirrored', () => world.context.mirrors.counts.answered === 1);
        assert.deepEqual([bodies[0] === body, copies[0] === body], [true, true]);
      });
    });
  }
}
