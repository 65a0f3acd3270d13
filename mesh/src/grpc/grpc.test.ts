import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { type LogFields, type Logger, silentLogger } from '../runtime/logger.ts';
import { until } from '../testing/until.ts';
import { createTestCa, type TestCertificate, testIdentity } from '../testing/test-ca.ts';
import { identifyPeer } from '../tls/peer-identity.ts';
import { ADDRESS_TYPE_URL, type DiscoveryRequest, type DiscoveryResponse } from '../wire/discovery-messages.ts';
import { createCaClient, requestSvid } from './ca-client.ts';
import { CONTROLLER_SERVER_NAME, type ControllerAccess } from './controller-access.ts';
import { GrpcError } from './errors.ts';
import { createNodeIdentityClient } from './node-identity-client.ts';
import { createPushTransport } from './push-transport.ts';
import { type GrpcServer, startGrpcServer } from './server.ts';
import type { CertificateRequest, DiscoveryServerStream, GrpcServices } from './services.ts';

const ca = createTestCa();
const clientCa = createTestCa({ name: 'clients' });
const node = testIdentity('ambit', 'node');
const serverCertificate = ca.issueCertificate({
  altNames: [
    { kind: 'dns', value: CONTROLLER_SERVER_NAME },
    { kind: 'dns', value: 'localhost' },
  ],
});
const clientCertificate = clientCa.issueCertificate({ altNames: [{ kind: 'uri', value: node }] });

function serverTls(certificate: TestCertificate): { privateKeyPem: string; chainPem: string; clientRootsPem: string } {
  return { ...certificate, clientRootsPem: clientCa.rootPem };
}

function startServer(
  services: GrpcServices,
  logger: Logger = silentLogger,
  connectionsMax = 100,
  port = 0,
): Promise<GrpcServer> {
  return startGrpcServer({
    host: '127.0.0.1',
    port,
    tls: serverTls(serverCertificate),
    services,
    logger,
    limits: { connectionsMax, requestBytesMax: 100_000 },
  });
}

function accessTo(server: { readonly port: number }, change: Partial<ControllerAccess> = {}): ControllerAccess {
  const credentials = { rootsPem: ca.rootPem, client: clientCertificate };
  return {
    address: `127.0.0.1:${server.port}`,
    serverName: CONTROLLER_SERVER_NAME,
    credentials: () => credentials,
    ...change,
  };
}

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

/** The code of the GrpcError that `work` rejects with. */
async function failureOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof GrpcError) return error.code;
    throw error;
  }
  return 'none';
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

test('a CA client sends identity, request and validity, and takes the chain apart', async () => {
  const asked: CertificateRequest[] = [];
  await using server = await startServer({
    certificates: {
      createCertificate: async (read) => {
        asked.push(await read('n1'));
        return ['leaf', 'intermediate\n', 'roots'];
      },
    },
  });
  using client = createCaClient(accessTo(server));
  const issued = await client.createCertificate({ identity: node, csrPem: 'csr', validitySeconds: 86_400 }, signal);
  assert.deepEqual(issued, { chainPem: 'leaf\nintermediate\n', rootsPem: 'roots' });
  assert.deepEqual(asked, [{ csrPem: 'csr', validitySeconds: 86_400, impersonatedIdentity: node }]);
});

test('requestSvid() gives an SVID, or says what is wrong with the answer', async () => {
  const answers: Record<string, (csrPem: string) => readonly string[]> = {
    'one element': () => ['leaf'],
    garbage: () => ['leaf', 'roots'],
    'other key': () => [ca.issueCertificate({ altNames: [{ kind: 'uri', value: node }] }).chainPem, ca.rootPem],
  };
  const failures: Record<string, string> = {};
  for (const [what, answer] of Object.entries(answers)) {
    await using server = await startServer({
      certificates: { createCertificate: async (read) => answer((await read('n1')).csrPem) },
    });
    using client = createCaClient(accessTo(server));
    failures[what] = await failureOf(requestSvid(client, { identity: node, validitySeconds: 60 }, signal));
  }
  assert.deepEqual(failures, {
    'one element': 'malformed-response',
    garbage: 'malformed-response',
    'other key': 'malformed-response',
  });
});

test('a call that is aborted, refused or not served says so', async () => {
  const started = Promise.withResolvers<AbortSignal>();
  await using server = await startServer({
    certificates: {
      createCertificate: async (read, _peer, gone) => {
        if ((await read('n1')).csrPem === 'refuse') throw new GrpcError('unauthenticated');
        started.resolve(gone);
        return once(gone, 'abort').then(() => []);
      },
    },
  });
  using client = createCaClient(accessTo(server));
  const ask = (csrPem: string, until: AbortSignal): Promise<unknown> =>
    client.createCertificate({ identity: node, csrPem, validitySeconds: 1 }, until);
  assert.equal(await failureOf(ask('refuse', signal)), 'unauthenticated');
  const abort = new AbortController();
  const pending = ask('wait', abort.signal);
  const gone = await started.promise;
  abort.abort(new Error('enough'));
  await assert.rejects(pending, /enough/);
  if (!gone.aborted) await once(gone, 'abort');
  const nodes = createNodeIdentityClient(accessTo(server));
  assert.equal(await failureOf(nodes.join({ token: 't', csrPem: 'c' }, signal)), 'unimplemented');
});

test('a CA client works again soon after the controller came back', async () => {
  const services: GrpcServices = { certificates: { createCertificate: async () => ['leaf', 'roots'] } };
  const first = await startServer(services);
  using client = createCaClient(accessTo(first));
  const ask = (): Promise<string> =>
    failureOf(client.createCertificate({ identity: node, csrPem: 'csr', validitySeconds: 1 }, signal));
  assert.equal(await ask(), 'none');
  await first[Symbol.asyncDispose]();
  for (let attempt = 0; attempt < 5; attempt++) assert.equal(await ask(), 'unavailable');
  await using second = await startServer(services, silentLogger, 100, first.port);
  assert.equal(second.port, first.port);
  await until('a call succeeds', async () => (await ask()) === 'none', 5000);
});

test('a node identity client joins and renews', async () => {
  const asked: unknown[] = [];
  await using server = await startServer({
    nodes: {
      join: async (each, peer) => {
        asked.push(each, peer.certificate === undefined);
        return ['leaf', 'ca'];
      },
      renew: async (read, peer) => {
        asked.push(await read('n1'), identifyPeer(peer.certificate));
        return ['leaf2', 'ca'];
      },
    },
  });
  const anonymous = { rootsPem: ca.rootPem };
  const chains = [
    await createNodeIdentityClient(accessTo(server, { credentials: () => anonymous })).join(
      { token: 't', csrPem: 'c' },
      signal,
    ),
    await createNodeIdentityClient(accessTo(server)).renew({ csrPem: 'd' }, signal),
  ];
  assert.deepEqual(chains, ['leaf\nca', 'leaf2\nca']);
  assert.deepEqual(asked, [{ token: 't', csrPem: 'c' }, true, { csrPem: 'd' }, { kind: 'identified', id: node }]);
});
