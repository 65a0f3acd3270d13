/** The same bytes to whoever reads along and to those who have to understand them: our own codec, which llhttp vouches for, and `node:http`. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { anyRequests, anyResponses, mutated } from '../testing/http1-corpus.ts';
import { requestEvents, responseEvents } from '../testing/http1-steps.ts';
import { observe, recut, type Said } from '../testing/observed.ts';
import { randomOf } from '../testing/random.ts';
import { portOf, RecordingProxy } from '../testing/recorded.ts';

const SEED = 20261126;
const RUNS = 6000;

test('what our codec reads as requests is as many requests here', () => {
  let compared = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const random = randomOf(SEED + run);
    const input = mutated(random, anyRequests(random), run % 3);
    const events = requestEvents([input]);
    if (input.includes('CONNECT') || events.some((event) => typeof event === 'object' && 'fault' in event)) continue;
    const heads = events.filter((event) => typeof event === 'object' && 'request' in event).length;
    const { exchanges, stopped } = observe(recut([{ by: 'client', bytes: input }], random));
    assert.deepEqual([exchanges.length, stopped], [heads, null], JSON.stringify(input.toString('latin1')));
    compared += 1;
  }
  assert.ok(compared > RUNS / 3);
});

test('what our codec reads as answers are the same answers here', () => {
  let compared = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const random = randomOf(SEED + run);
    const { bytes, requests } = anyResponses(random);
    const input = mutated(random, bytes, run % 3);
    const events = responseEvents([input], requests);
    if (events.some((event) => typeof event === 'object' && 'fault' in event)) continue;
    const statuses = events.flatMap((event) =>
      typeof event === 'object' && 'response' in event && !event.response.endsWith(' interim')
        ? [event.response.slice(0, 3)]
        : [],
    );
    const asked = requests.map(({ method }) => `${method} / HTTP/1.1\r\n\r\n`).join('');
    const observed = observe([
      { by: 'client', bytes: Buffer.from(asked) },
      ...recut([{ by: 'server', bytes: input }], random),
    ]);
    const unanswered = requests.slice(statuses.length).map(() => '0');
    assert.deepEqual(observed.exchanges, [...statuses, ...unanswered], JSON.stringify(input.toString('latin1')));
    compared += 1;
  }
  assert.ok(compared > RUNS / 3);
});

const REQUESTS = 150;

/** Every kind of exchange that a client and a server of Node make. Returns the statuses, in order. */
async function exchangeAll(port: number, agent: http.Agent, random: () => number): Promise<string[]> {
  const statuses: string[] = [];
  for (let count = 0; count < REQUESTS; count += 1) {
    const method = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE'][Math.floor(random() * 5)] ?? 'GET';
    const request = http.request({
      port,
      host: '127.0.0.1',
      agent,
      method,
      path: `/${Math.floor(random() * 2 ** 31)}`,
    });
    if (method === 'POST' || method === 'PUT') {
      const body = Buffer.alloc(Math.floor(random() ** 4 * 200_000), 'GET / HTTP/1.1\r\n\r\n');
      if (random() < 0.5) request.setHeader('Content-Length', body.length);
      if (random() < 0.2) request.setHeader('Expect', '100-continue');
      request.write(body.subarray(0, body.length / 2));
      request.end(body.subarray(body.length / 2));
    } else request.end();
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    statuses.push(String(response.statusCode));
    response.resume();
    await once(response, 'end');
  }
  return statuses;
}

function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  const random = randomOf(Number(request.url?.slice(1)));
  request.resume().once('end', () => {
    if (random() < 0.1) response.writeEarlyHints({ link: '</a>; rel=preload' });
    response.statusCode = [200, 200, 204, 304, 404, 503][Math.floor(random() * 6)] ?? 200;
    const body = Buffer.alloc(Math.floor(random() ** 4 * 200_000), 'HTTP/1.1 500 x\r\n\r\n');
    if (random() < 0.5) response.setHeader('Content-Length', body.length);
    if (random() < 0.1) response.setHeader('Connection', 'close');
    response.write(body.subarray(0, body.length / 2));
    response.end(body.subarray(body.length / 2));
  });
}

test('what node:http exchanges is counted, however it is cut', async () => {
  const server = http.createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await RecordingProxy.start(portOf(server));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const statuses = await exchangeAll(proxy.port, agent, randomOf(SEED));
  agent.destroy();
  server.close();
  await proxy[Symbol.asyncDispose]();
  const count = (conversations: readonly Said[][]): string[] =>
    conversations.flatMap((conversation) => {
      const { exchanges, stopped } = observe(conversation);
      assert.equal(stopped, null);
      return [...exchanges];
    });
  assert.deepEqual(count(proxy.conversations), statuses);
  const random = randomOf(SEED);
  for (let cut = 0; cut < 40; cut += 1) {
    assert.deepEqual(count(proxy.conversations.map((conversation) => recut(conversation, random))), statuses);
  }
});
