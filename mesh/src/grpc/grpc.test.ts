import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { type LogFields, type Logger, silentLogger } from '../runtime/logger.ts';
import { failureOf } from '../testing/grpc-failure.ts';
import { accessTo, ca, node, serverTls, startServer } from '../testing/grpc-world.ts';
import { createTestCa } from '../testing/test-ca.ts';
import { identifyPeer } from '../tls/peer-identity.ts';
import { ADDRESS_TYPE_URL, type DiscoveryRequest, type DiscoveryResponse } from '../wire/discovery-messages.ts';
import { CONTROLLER_SERVER_NAME, type ControllerAccess } from './controller-access.ts';
import { GrpcError } from './errors.ts';
import { createPushTransport } from './push-transport.ts';
import type { DiscoveryServerStream } from './services.ts';

function request(change: Partial<DiscoveryRequest> = {}): DiscoveryRequest {
  return {
    typeUrl: ADDRESS_TYPE_URL,
    subscribe: ['*'],
    unsubscribe: [],
    initialResourceVersions: new Map(),
    responseNonce: '',
    ...change,
  };
}

function response(nonce: string, bytes = 3): DiscoveryResponse {
  const resource = { name: 'a', version: '1', aliases: ['b'], typeUrl: ADDRESS_TYPE_URL, value: new Uint8Array(bytes) };
  return { typeUrl: ADDRESS_TYPE_URL, nonce, systemVersion: 'v', resources: [resource], removedResources: ['c'] };
}

const signal = new AbortController().signal;

const REFUSAL = { code: 3, message: 'no', refusedNames: ['shop/web', 'shop/db'] };

test('a push stream carries requests and responses in order and tells the server who calls', async () => {
  const seen: unknown[] = [];
  await using server = await startServer({
    discovery: async (stream) => {
      const { certificate, bearerToken } = stream.peer;
      seen.push(identifyPeer(certificate), bearerToken);
      for await (const each of stream.requests) {
        seen.push(each);
        await stream.send(response(`n${seen.length}`));
      }
    },
  });
  const transport = createPushTransport(
    accessTo(server, { bearerToken: async () => 't', headers: { clusterid: 'k' } }),
  );
  const stream = await transport.open(signal);
  const received: DiscoveryResponse[] = [];
  const iterator = stream.responses[Symbol.asyncIterator]();
  for (const each of [request(), request({ responseNonce: 'n3', errorDetail: REFUSAL })]) {
    await stream.send(each);
    const next = await iterator.next();
    assert.equal(next.done, false);
    received.push(next.value);
  }
  stream.close();
  assert.deepEqual(seen, [
    { kind: 'identified', id: node },
    't',
    request(),
    request({ responseNonce: 'n3', errorDetail: REFUSAL }),
  ]);
  assert.deepEqual(received, [response('n3'), response('n4')]);
});

test('a push stream ends in order when the server has nothing more to say', async () => {
  await using server = await startServer({ discovery: (stream) => stream.send(response('n')) });
  const stream = await createPushTransport(accessTo(server)).open(signal);
  const nonces: string[] = [];
  for await (const each of stream.responses) nonces.push(each.nonce);
  assert.deepEqual(nonces, ['n']);
  assert.equal(await failureOf(stream.send(request())), 'cancelled');
});

test('a push stream that is closed ends the responses and tells the server', async () => {
  const served = Promise.withResolvers<DiscoveryServerStream>();
  const ended = Promise.withResolvers<void>();
  await using server = await startServer({
    discovery: async (stream) => {
      served.resolve(stream);
      for await (const each of stream.requests) assert.ok(each);
      ended.resolve();
    },
  });
  const stream = await createPushTransport(accessTo(server)).open(signal);
  const { signal: gone } = await served.promise;
  const pending = stream.responses[Symbol.asyncIterator]().next();
  stream.close();
  stream.close();
  assert.deepEqual(await pending, { done: true, value: undefined });
  await ended.promise;
  if (!gone.aborted) await once(gone, 'abort');
});

test('a push stream fails when the server goes away', async () => {
  const server = await startServer({ discovery: (stream) => once(stream.signal, 'abort').then(() => {}) });
  const stream = await createPushTransport(accessTo(server)).open(signal);
  const pending = failureOf(stream.responses[Symbol.asyncIterator]().next());
  await server[Symbol.asyncDispose]();
  assert.equal(await pending, 'unavailable');
  assert.equal(await failureOf(stream.send(request())), 'unavailable');
});

test('a push stream carries a push of many megabytes in one message', async () => {
  const bytes = 30_000_000;
  await using server = await startServer({ discovery: (stream) => stream.send(response('n', bytes)) });
  const stream = await createPushTransport(accessTo(server)).open(signal);
  const sizes: (number | undefined)[] = [];
  for await (const each of stream.responses) sizes.push(each.resources[0]?.value.length);
  assert.deepEqual(sizes, [bytes]);
});

test('a slow reader holds the sender back', async () => {
  let sent = 0;
  const bytes = 1_000_000;
  await using server = await startServer({
    discovery: async (stream) => {
      for (; sent < 60; sent++) await stream.send(response(String(sent), bytes));
    },
  });
  const stream = await createPushTransport(accessTo(server)).open(signal);
  const iterator = stream.responses[Symbol.asyncIterator]();
  await iterator.next();
  // Long enough for everything to arrive if nothing held it back: 60 MB over loopback take a tenth of that.
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.ok(sent < 40, `${sent} messages were sent while one was read`);
  let count = 1;
  for (;;) {
    const next = await iterator.next();
    if (next.done === true) break;
    count++;
  }
  assert.deepEqual([sent, count], [60, 60]);
});

test('a refused stream and a failed handler tell the client no reason', async () => {
  const lines: (readonly [string, LogFields | undefined])[] = [];
  const logger: Logger = { ...silentLogger, error: (message, fields) => void lines.push([message, fields]) };
  const failures: unknown[] = [];
  for (const thrown of [new GrpcError('permission-denied', { data: { reason: 'secret' } }), new Error('secret')]) {
    await using server = await startServer({ discovery: () => Promise.reject(thrown) }, logger);
    const stream = await createPushTransport(accessTo(server)).open(signal);
    try {
      await stream.responses[Symbol.asyncIterator]().next();
    } catch (error) {
      assert.ok(error instanceof GrpcError);
      failures.push(error.code, error.data['details']);
    }
  }
  assert.deepEqual(failures, ['permission-denied', 'caller may not do this', 'internal', 'call failed']);
  assert.deepEqual(
    lines.map(([message]) => message),
    ['grpc handler failed'],
  );
});

test('opening a push stream fails when nobody listens, the root is another, the name is another, or it is aborted', async () => {
  await using server = await startServer({ discovery: (stream) => once(stream.signal, 'abort').then(() => {}) });
  const closed = net.createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const free = closed.address();
  assert.ok(typeof free === 'object' && free !== null);
  closed.close();
  const stranger = { rootsPem: createTestCa().rootPem };
  const attempts: Readonly<Record<string, ControllerAccess>> = {
    nobody: accessTo({ port: free.port }),
    'other root': accessTo(server, { credentials: () => stranger }),
    'other name': accessTo(server, { serverName: 'istiod.istio-system.svc' }),
    'address as name': { ...accessTo(server), serverName: '127.0.0.1' },
  };
  const failures: Record<string, string> = {};
  for (const [what, access] of Object.entries(attempts)) {
    failures[what] = await failureOf(createPushTransport(access).open(signal));
  }
  assert.deepEqual(failures, {
    nobody: 'unavailable',
    'other root': 'unavailable',
    'other name': 'unavailable',
    'address as name': 'unavailable',
  });
  const abort = new AbortController();
  const opening = createPushTransport(accessTo(server)).open(abort.signal);
  abort.abort(new Error('enough'));
  await assert.rejects(opening, /enough/);
});

test('a server takes clients without certificate but none with a certificate of strangers', async () => {
  const seen: unknown[] = [];
  const reasons: unknown[] = [];
  const logger: Logger = { ...silentLogger, warn: (_, fields) => void reasons.push(fields?.['reason']) };
  await using server = await startServer(
    { discovery: async (stream) => void seen.push(stream.peer.certificate) },
    logger,
  );
  const anonymous = { rootsPem: ca.rootPem };
  const stream = await createPushTransport(accessTo(server, { credentials: () => anonymous })).open(signal);
  for await (const each of stream.responses) assert.ok(each);
  const stranger = { rootsPem: ca.rootPem, client: createTestCa().issueCertificate() };
  const failure = await failureOf(
    createPushTransport(accessTo(server, { credentials: () => stranger }))
      .open(signal)
      .then((refused) => refused.responses[Symbol.asyncIterator]().next()),
  );
  assert.deepEqual([seen, failure, reasons], [[undefined], 'unavailable', ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY']]);
});

test('a server refuses TLS 1.2, other protocols, too many connections and too large requests', async () => {
  await using server = await startServer(
    { discovery: async (stream) => void (await stream.requests[Symbol.asyncIterator]().next()) },
    silentLogger,
    1,
  );
  const connect = async (options: tls.ConnectionOptions): Promise<string> => {
    const socket = tls.connect({
      ca: ca.rootPem,
      servername: 'localhost',
      port: server.port,
      host: '127.0.0.1',
      ...options,
    });
    const failed = once(socket, 'error').then(() => 'failed');
    const closed = once(socket, 'close').then(() => 'closed');
    return Promise.race([failed, closed]);
  };
  assert.equal(await connect({ maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] }), 'failed');
  assert.equal(await connect({ ALPNProtocols: ['http/1.1'] }), 'failed');
  assert.equal(await connect({}), 'closed');
  const stream = await createPushTransport(accessTo(server)).open(signal);
  assert.match(await connect({ ALPNProtocols: ['h2'] }), /failed|closed/);
  const tooLarge = request({ subscribe: ['x'.repeat(200_000)] });
  await stream.send(tooLarge);
  assert.equal(await failureOf(stream.responses[Symbol.asyncIterator]().next()), 'resource-exhausted');
});

test('a server shows new certificates to new connections', async () => {
  await using server = await startServer({ discovery: async () => {} });
  const next = createTestCa();
  server.updateTls(serverTls(next.issueCertificate({ altNames: [{ kind: 'dns', value: CONTROLLER_SERVER_NAME }] })));
  const [roots, oldRoots] = [{ rootsPem: next.rootPem }, { rootsPem: ca.rootPem }];
  const open = (credentials: ControllerAccess['credentials']): Promise<string> =>
    failureOf(createPushTransport(accessTo(server, { credentials })).open(signal));
  assert.deepEqual([await open(() => roots), await open(() => oldRoots)], ['none', 'unavailable']);
});
