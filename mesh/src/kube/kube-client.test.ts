import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../runtime/clock.ts';
import { Metrics } from '../runtime/metrics.ts';
import { answerJson, KubePeer, type KubePeerBehaviour } from '../testing/kube-peer.ts';
import { createTestCa } from '../testing/test-ca.ts';
import { until } from '../testing/until.ts';
import { createKubeClient } from './create-kube-client.ts';
import { KubeApiError } from './errors.ts';
import type { KubeAccess, KubeCredentials } from './kube-access.ts';
import type { KubeClient, KubeResource, KubeWatchEvent } from './kube-client.ts';
import { KUBE_LIMITS, type KubeLimits } from './limits.ts';

const PODS: KubeResource = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', scope: 'namespaced' };
const WEB = { namespace: 'shop', name: 'web' };
const LIST = { metadata: { resourceVersion: '7' }, items: [] };

interface Pair {
  readonly peer: KubePeer;
  readonly client: KubeClient;
  readonly metrics: Metrics;
  /** What each call was asked with: whether the last answer was a refusal. */
  readonly refused: boolean[];
  credentials: KubeCredentials;
}

async function pair(t: TestContext, behave: KubePeerBehaviour, limits: Partial<KubeLimits> = {}): Promise<Pair> {
  const peer = await KubePeer.start(behave);
  const metrics = new Metrics();
  const refused: boolean[] = [];
  const state = { credentials: { rootsPem: peer.rootsPem, bearerToken: 'secret-token' } as KubeCredentials };
  const access: KubeAccess = {
    server: peer.server,
    namespace: 'default',
    credentials: async (asked) => {
      refused.push(asked);
      return state.credentials;
    },
  };
  const client = createKubeClient({
    access,
    metrics,
    clock: systemClock,
    userAgent: 'test',
    limits: { ...KUBE_LIMITS, ...limits },
  });
  t.after(async () => {
    client[Symbol.dispose]();
    await peer[Symbol.asyncDispose]();
  });
  return Object.assign(state, { peer, client, metrics, refused });
}

const soon = (): AbortSignal => AbortSignal.timeout(30_000);
const list = (client: KubeClient): Promise<unknown> => client.listPage(PODS, {}, null, soon());

async function failure(work: Promise<unknown>): Promise<KubeApiError> {
  const error: unknown = await work.then(
    () => assert.fail('expected a failure'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof KubeApiError)) throw error;
  return error;
}

async function collect(events: AsyncIterable<KubeWatchEvent>, into: KubeWatchEvent[]): Promise<void> {
  for await (const event of events) into.push(event);
}

const podEvent = (name: string, version: string, type = 'ADDED'): string =>
  JSON.stringify({ type, object: { metadata: { name, resourceVersion: version, managedFields: [{}] } } });

test('calls reuse a connection and carry the token', async (t) => {
  const seen: unknown[] = [];
  const { peer, client } = await pair(t, (request, response) => {
    seen.push([request.headers.authorization, request.headers['user-agent'], request.headers.accept]);
    answerJson(response, 200, LIST);
  });
  for (let round = 0; round < 5; round++) await list(client);
  assert.equal(peer.connections, 1);
  assert.deepEqual(seen[0], ['Bearer secret-token', 'test', 'application/json']);
  assert.equal(peer.requests[0], 'GET /api/v1/pods?limit=500');
});

test('a connection that the server closed while it was unused is replaced for reading, never for writing', async (t) => {
  const { client } = await pair(t, closeOnSecondUse());
  await list(client);
  await list(client);
  const error = await failure(client.create(PODS, 'shop', {}, soon()));
  assert.deepEqual([error.code, error.retryable], ['unreachable', true]);
});

/** The first request on a connection is answered, the second breaks it. */
function closeOnSecondUse(): KubePeerBehaviour {
  const used = new WeakSet();
  return (request, response) => {
    if (used.has(request.socket)) {
      request.socket.destroy();
      return;
    }
    used.add(request.socket);
    answerJson(response, 200, LIST);
  };
}

test('answers that are not what the protocol says are errors that quote nothing of them', async (t) => {
  const other = await KubePeer.start((_, response) => answerJson(response, 200, LIST));
  t.after(() => other[Symbol.asyncDispose]());
  const secret = 'top-secret';
  const cases: readonly [string, KubePeerBehaviour, string][] = [
    [
      'a redirect',
      (_, response) => response.writeHead(302, { location: other.server.href }).end(),
      'malformed-response',
    ],
    ['no JSON', (_, response) => response.end(`<html>${secret}`), 'malformed-response'],
    ['no object', (_, response) => answerJson(response, 200, [secret]), 'malformed-response'],
    ['a list without version', (_, response) => answerJson(response, 200, { items: [] }), 'malformed-response'],
    [
      'items that are none',
      (_, response) => answerJson(response, 200, { ...LIST, items: secret }),
      'malformed-response',
    ],
    [
      'an item without metadata',
      (_, response) => answerJson(response, 200, { ...LIST, items: [5] }),
      'malformed-response',
    ],
    ['half a body', (_, response) => halfABody(response), 'unreachable'],
    ['no answer', (request) => void request.socket.destroy(), 'unreachable'],
    ['nonsense', (request) => void request.socket.end('HELLO\r\n\r\n'), 'malformed-response'],
  ];
  for (const [name, behave, code] of cases) {
    const { client, metrics } = await pair(t, behave);
    const error = await failure(list(client));
    assert.equal(error.code, code, name);
    assert.doesNotMatch(`${error.message} ${JSON.stringify(error.data)} ${String(error.cause)}`, /secret/, name);
    assert.equal(await metrics.value('ambit_kube_api_errors_total', ['list', code]), 1, name);
  }
  assert.deepEqual(other.requests, []);
});

function halfABody(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': 1000 });
  response.write('{"items":[');
  setImmediate(() => response.socket?.destroy());
}

test('a refusal has its code, what the server said in short, and when to come again', async (t) => {
  const status = (reason: string, code: number): object => ({
    kind: 'Status',
    reason,
    code,
    message: 'm'.repeat(5000),
    details: { retryAfterSeconds: 3 },
  });
  const cases: readonly [number, object, string, boolean][] = [
    [400, status('BadRequest', 400), 'invalid', false],
    [401, status('Unauthorized', 401), 'unauthenticated', true],
    [403, status('Forbidden', 403), 'forbidden', false],
    [404, status('NotFound', 404), 'not-found', false],
    [409, status('AlreadyExists', 409), 'already-exists', false],
    [409, status('Conflict', 409), 'conflict', false],
    [410, status('Expired', 410), 'gone', false],
    [422, status('Invalid', 422), 'invalid', false],
    [429, status('TooManyRequests', 429), 'too-many-requests', true],
    [500, status('InternalError', 500), 'server-error', true],
    [503, { no: 'status' }, 'server-error', true],
  ];
  let next: readonly [number, object, string, boolean] | undefined;
  const { client } = await pair(t, (_, response) => answerJson(response, next?.[0] ?? 200, next?.[1] ?? {}));
  for (const [http, body, code, retryable] of cases) {
    next = [http, body, code, retryable];
    const error = await failure(list(client));
    assert.deepEqual([error.code, error.retryable, error.data['status']], [code, retryable, http]);
    if (http === 503) continue;
    assert.equal(String(error.data['message']).length, 500);
    assert.equal(error.data['retryAfterSeconds'], 3);
  }
});

test('a token that was refused is asked for again', async (t) => {
  const { client, refused } = await pair(t, (request, response) =>
    answerJson(
      response,
      request.headers.authorization === 'Bearer secret-token' && refused.length === 1 ? 401 : 200,
      LIST,
    ),
  );
  assert.equal((await failure(list(client))).code, 'unauthenticated');
  await list(client);
  await list(client);
  assert.deepEqual(refused, [false, true, false]);
});

test('a call ends at its deadline, whatever trickles in', async (t) => {
  const trickle = (_: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200);
    const timer = setInterval(() => response.write(' '), 10);
    response.on('close', () => clearInterval(timer));
  };
  for (const behave of [() => {}, trickle] satisfies KubePeerBehaviour[]) {
    const { client, peer } = await pair(t, behave, { callDeadlineMs: 300 });
    const error = await failure(list(client));
    assert.deepEqual([error.code, error.data['reason']], ['unreachable', 'deadline']);
    await until('the connection is closed', () => peer.connections === 0);
  }
});

test('an aborted call rejects with the reason and closes its connection', async (t) => {
  const { client, peer, metrics } = await pair(t, () => {});
  const stop = new AbortController();
  const reason = new Error('no longer wanted');
  const call = client.get(PODS, WEB, stop.signal);
  await until('the request is there', () => peer.requests.length === 1);
  stop.abort(reason);
  await assert.rejects(call, reason);
  await until('the connection is closed', () => peer.connections === 0);
  await assert.rejects(client.get(PODS, WEB, stop.signal), reason);
  assert.equal(peer.requests.length, 1);
  assert.equal(await metrics.value('ambit_kube_api_errors_total', ['get', 'unreachable']), 0);
});

test('bodies in both directions are bounded', async (t) => {
  const flood = (_: IncomingMessage, response: ServerResponse): void => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(10_000)));
    };
    response.on('drain', more);
    more();
  };
  const { client, peer } = await pair(t, flood, { responseBytesMax: 50_000, requestBytesMax: 1000 });
  assert.equal((await failure(list(client))).code, 'too-large');
  await until('the connection is closed', () => peer.connections === 0);
  const long = { metadata: { name: 'x'.repeat(2000) } };
  assert.equal((await failure(client.create(PODS, 'shop', long, soon()))).code, 'too-large');
  assert.equal(peer.requests.length, 1);
});

test('who is not the API server gets nothing', async (t) => {
  const state = await pair(t, (_, response) => answerJson(response, 200, LIST));
  state.credentials = { rootsPem: createTestCa().rootPem, bearerToken: 'secret-token' };
  const stranger = await failure(list(state.client));
  assert.equal(stranger.code, 'unreachable');
  assert.match(String(stranger.data['hint']), /not from the authority that we are told to believe/);
  state.credentials = { rootsPem: state.peer.rootsPem, serverName: 'another.example' };
  assert.equal((await failure(list(state.client))).data['reason'], 'ERR_TLS_CERT_ALTNAME_INVALID');
  assert.deepEqual(state.peer.requests, []);

  const deaf = createServer((socket) => socket.on('error', () => {}).end('SSH-2.0-x\r\n')).listen(0, '127.0.0.1');
  await once(deaf, 'listening');
  t.after(() => deaf.close());
  const { port } = deaf.address() as { port: number };
  const access = { server: new URL(`https://127.0.0.1:${port}`), namespace: '', credentials: async () => ({}) };
  using client = createKubeClient({ access, clock: systemClock, metrics: new Metrics(), userAgent: 'test' });
  assert.equal((await failure(list(client))).code, 'unreachable');
});

test('new roots are used for new calls, and what runs goes on', async (t) => {
  let watching: ServerResponse | undefined;
  const state = await pair(t, (request, response) => {
    if (request.url?.includes('watch=1') === true) watching = response.writeHead(200);
    else answerJson(response, 200, LIST);
    response.flushHeaders();
  });
  const events: KubeWatchEvent[] = [];
  const watch = collect(state.client.watch(PODS, {}, '7', soon()), events);
  await until('the watch is there', () => watching);
  await list(state.client);
  state.credentials = { rootsPem: `${state.peer.rootsPem}${createTestCa().rootPem}`, bearerToken: 'other' };
  await list(state.client);
  watching?.write(`${podEvent('web', '8')}\n`);
  await until('the event arrives', () => events.length === 1);
  watching?.end();
  await watch;
  await until('only the new connection is left', () => state.peer.connections === 1);
});

test('a watch reads events however they are cut, until the server ends it', async (t) => {
  const text = [
    podEvent('web', '8'),
    '',
    JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } }),
    podEvent('wéb', '10', 'MODIFIED'),
    podEvent('web', '11', 'DELETED'),
    '',
  ].join('\n');
  const bytes = Buffer.from(text);
  const { client, peer } = await pair(t, (_, response) => {
    response.writeHead(200);
    // Byte by byte, also through the middle of a character.
    for (const byte of bytes) response.write(Buffer.of(byte));
    response.end();
  });
  const events: KubeWatchEvent[] = [];
  let opened = 0;
  await collect(
    client.watch(PODS, { namespace: 'shop', fieldSelector: 'a=b' }, '7', soon(), () => opened++),
    events,
  );
  const pod = (name: string, resourceVersion: string): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, resourceVersion },
  });
  assert.deepEqual(events, [
    { kind: 'put', object: pod('web', '8'), resourceVersion: '8' },
    { kind: 'bookmark', resourceVersion: '9' },
    { kind: 'put', object: pod('wéb', '10'), resourceVersion: '10' },
    { kind: 'delete', object: pod('web', '11'), resourceVersion: '11' },
  ]);
  assert.equal(opened, 1);
  const { pathname, searchParams } = new URL(peer.requests[0]?.slice('GET '.length) ?? '', peer.server);
  const { timeoutSeconds, ...query } = Object.fromEntries(searchParams);
  assert.equal(pathname, '/api/v1/namespaces/shop/pods');
  assert.deepEqual(query, { fieldSelector: 'a=b', watch: '1', allowWatchBookmarks: 'true', resourceVersion: '7' });
  assert.ok(Number(timeoutSeconds) >= 300 && Number(timeoutSeconds) <= 600);
});

test('a watch that breaks or lies throws, after the events that were whole', async (t) => {
  const gone = JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } });
  const cases: readonly [string, string, boolean, string][] = [
    ['the version is too old', `${gone}\n`, true, 'gone'],
    ['the end comes in the middle of a line', podEvent('db', '9').slice(0, -5), true, 'unreachable'],
    ['the connection breaks', '', false, 'unreachable'],
    ['a line that never ends', 'x'.repeat(20_000), true, 'too-large'],
    ['a line that is no JSON', '{"type":\n', true, 'malformed-response'],
    ['an event of no known type', `${podEvent('db', '9', 'SECRET')}\n`, true, 'malformed-response'],
    ['an event without version', '{"type":"ADDED","object":{"metadata":{}}}\n', true, 'malformed-response'],
    ['an error that says nothing', '{"type":"ERROR","object":5}\n', true, 'malformed-response'],
  ];
  for (const [name, text, orderly, code] of cases) {
    const { client, metrics } = await pair(
      t,
      (_, response) => {
        response.write(`${podEvent('web', '8')}\n${text}`, () => {
          if (orderly) response.end();
          else response.socket?.destroy();
        });
      },
      { watchLineBytesMax: 10_000 },
    );
    const events: KubeWatchEvent[] = [];
    const error = await failure(collect(client.watch(PODS, {}, '7', soon()), events));
    assert.deepEqual([error.code, events.length], [code, 1], name);
    assert.equal(await metrics.value('ambit_kube_api_errors_total', ['watch', code]), 1, name);
  }
});

test('a watch closes its connection when it is wanted no more', async (t) => {
  const { client, peer } = await pair(t, (_, response) => void response.write(`${podEvent('web', '8')}\n`));
  for await (const event of client.watch(PODS, {}, '7', soon())) {
    assert.equal(event.resourceVersion, '8');
    break;
  }
  await until('the connection is closed', () => peer.connections === 0);
  const stop = new AbortController();
  const reason = new Error('no longer wanted');
  const events: KubeWatchEvent[] = [];
  const watch = collect(client.watch(PODS, {}, '7', stop.signal), events);
  await until('the event arrives', () => events.length === 1);
  stop.abort(reason);
  await assert.rejects(watch, reason);
  await until('the connection is closed', () => peer.connections === 0);
});

test('a name can never lead to another object', async (t) => {
  const { client, peer } = await pair(t, (_, response) => answerJson(response, 200, {}));
  for (const name of ['', '.', '..', 'a/b', '%2e%2e', 'x'.repeat(300)]) {
    assert.equal((await failure(client.get(PODS, { namespace: 'shop', name }, soon()))).code, 'invalid', name);
    assert.equal(
      (await failure(client.delete(PODS, { namespace: name, name: 'web' }, {}, soon()))).code,
      'invalid',
      name,
    );
  }
  assert.deepEqual(peer.requests, []);
  await client.get(PODS, { namespace: 'shop', name: 'a?b#c d' }, soon());
  assert.deepEqual(peer.requests, ['GET /api/v1/namespaces/shop/pods/a%3Fb%23c%20d']);
});
