import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RetryPolicy } from '@ambit/mesh/routes';
import { checkLeaks, until } from '@ambit/mesh/testing';
import type { Delivery } from '../src/http/pipeline.ts';
import { HttpWorld, type Party } from './http-world.ts';

checkLeaks();

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody';
const answer = (status: string, body: string): string =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const out = (status: string, body: string): string =>
  `HTTP/1.1 ${status}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

/** What a server does with one request after the other, on whatever connection: an answer, or `silence`, or `cut`: it ends the connection. */
type Step = string;

/** The same script for all servers; says what requests came, whole. */
function scripted(...steps: Step[]): { readonly serve: (party: Party) => void; readonly requests: string[] } {
  const requests: string[] = [];
  const serve = (party: Party): void => {
    let text = '';
    party.onPiece = (_, memory, start, end) => {
      text += memory.toString('latin1', start, end);
      const headEnd = text.indexOf('\r\n\r\n') + 4;
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (headEnd < 4 || text.length < headEnd + length) return;
      requests.push(`${text.slice(0, text.indexOf(' '))} ${text.slice(headEnd)}`.trim());
      text = '';
      const step = steps.shift() ?? assert.fail('more requests than expected');
      if (step === 'cut') party.carrier.end();
      else if (step !== 'silence') party.send(step);
    };
  };
  return { serve, requests };
}

const policy = (codes: readonly number[], more: Partial<RetryPolicy> = {}): RetryPolicy => ({
  codes,
  attempts: null,
  backoffMs: 1,
  ...more,
});

const BUSY = answer('503 Service Unavailable', 'no');
const BUSY_OUT = out('503 Service Unavailable', 'no');
const OK = answer('200 OK', 'ok');
const OK_OUT = out('200 OK', 'ok');
/** Our own answer. */
const refused = (status: string, text: string): string =>
  `HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\ncontent-length: ${text.length + 1}\r\n\r\n${text}\n`;
const GONE_OUT = refused('503 Service Unavailable', 'the server closed the connection before its answer');
const LATE_OUT = refused('504 Gateway Timeout', 'the server took too long to answer');
const retry = (of: RetryPolicy | null, attemptTimeoutMs: number | null = null): Delivery => ({
  retry: of,
  attemptTimeoutMs,
  mirrors: [],
  session: null,
});

for (const [name, delivery, request, steps, expected, requests, attempts] of [
  ['a status that the rule names', retry(policy([503])), GET, [BUSY, OK], OK_OUT, ['GET', 'GET'], 2],
  ['with its body', retry(policy([503])), POST, [BUSY, OK], OK_OUT, ['POST body', 'POST body'], 2],
  ['not another status', retry(policy([500])), GET, [BUSY], BUSY_OUT, ['GET'], 1],
  ['no status without codes', retry(policy([])), GET, [BUSY], BUSY_OUT, ['GET'], 1],
  [
    'as often as the rule says, then the last answer',
    retry(policy([503], { attempts: 1 })),
    GET,
    [BUSY, BUSY],
    BUSY_OUT,
    ['GET', 'GET'],
    2,
  ],
  ['a lost connection', retry(policy([])), GET, ['cut', OK], OK_OUT, ['GET', 'GET'], 2],
  ['not what may do harm twice', retry(policy([])), POST, ['cut'], GONE_OUT, ['POST body'], 1],
  [
    'what may do harm twice, when codes are named',
    retry(policy([503])),
    POST,
    ['cut', OK],
    OK_OUT,
    ['POST body', 'POST body'],
    2,
  ],
  ['an attempt that takes too long', retry(policy([]), 400), GET, ['silence', OK], OK_OUT, ['GET', 'GET'], 2],
  [
    'until the last attempt takes too long',
    retry(policy([], { attempts: 1 }), 100),
    GET,
    ['silence', 'silence'],
    LATE_OUT,
    ['GET', 'GET'],
    2,
  ],
  ['no attempt that takes too long, without a policy', retry(null, 30), GET, ['silence'], LATE_OUT, ['GET'], 1],
  [
    'not beyond the time of the request',
    retry(policy([503], { backoffMs: 60_000 })),
    GET,
    [BUSY],
    BUSY_OUT,
    ['GET'],
    1,
  ],
] as const) {
  for (const kind of ['plain', 'tunnel'] as const) {
    test(`retried is ${name} (${kind})`, async () => {
      const script = scripted(...steps);
      await using world = await HttpWorld.open({
        kind,
        servers: [script.serve, script.serve],
        decide: (_, forward) => ({ ...forward, delivery, timeoutMs: 20_000 }),
      });
      const client = await world.client();
      client.send(request);
      await until('answered', () => world.exchanges.length > 0 && client.text.length >= expected.length);
      assert.equal(client.text, expected);
      assert.deepEqual(script.requests, requests);
      assert.equal(world.exchanges[0]?.attempts, attempts);
    });
  }
}

test('a request that is longer than what is kept is not sent twice', async () => {
  const script = scripted(BUSY);
  await using world = await HttpWorld.open({
    kind: 'plain',
    servers: [script.serve],
    decide: (_, forward) => ({ ...forward, delivery: retry(policy([503])) }),
  });
  const client = await world.client();
  client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 40000\r\n\r\n${'x'.repeat(40_000)}`);
  await until('answered', () => client.text === BUSY_OUT);
  assert.equal(script.requests.length, 1);
});

test('a client that goes away while its request waits to be sent once more is forgotten', async () => {
  const script = scripted(BUSY);
  await using world = await HttpWorld.open({
    kind: 'plain',
    servers: [script.serve],
    decide: (_, forward) => ({ ...forward, delivery: retry(policy([503], { backoffMs: 10_000 })) }),
  });
  const client = await world.client();
  client.send(GET);
  await until('refused once', () => script.requests.length === 1 && world.served[0]?.isOver);
  client.carrier.reset();
  await until('recorded', () => world.exchanges.length === 1);
  assert.deepEqual(
    world.exchanges.map(({ status, reason }) => [status, reason]),
    [[0, 'client-gone']],
  );
});

test('an attempt whose answer has begun is cut when it takes too long', async () => {
  const script = scripted('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  await using world = await HttpWorld.open({
    kind: 'plain',
    servers: [script.serve],
    decide: (_, forward) => ({ ...forward, delivery: retry(policy([503]), 50) }),
  });
  const client = await world.client();
  client.send(GET);
  await until('cut', () => client.isOver);
  assert.deepEqual(
    world.exchanges.map(({ status, reason, attempts }) => [status, reason, attempts]),
    [[200, 'timeout', 1]],
  );
});
