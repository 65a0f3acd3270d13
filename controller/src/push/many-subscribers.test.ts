import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { test } from 'node:test';
import { CONTROLLER_SERVER_NAME, createPushTransport, startGrpcServer } from '@ambit/mesh/grpc';
import { Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { createTestCa, until } from '@ambit/mesh/testing';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  DELTA_DISCOVERY_PATH,
  type DiscoveryRequest,
  encodeDiscoveryRequest,
} from '@ambit/mesh/wire';
import { MemoryStream } from '../../test/memory-stream.ts';
import { PUSH_LIMITS } from './limits.ts';
import { PushServer, type PushServerOptions } from './push-server.ts';
import { ResourceStore } from './resource-store.ts';

const LONG_MS = 120_000;
/** What a change may take to reach everybody, or one beside a flood; far above what it does. */
const CHANGE_MS = 10_000;

const FIRST: DiscoveryRequest = {
  typeUrl: ADDRESS_TYPE_URL,
  subscribe: [],
  unsubscribe: [],
  initialResourceVersions: new Map(),
  responseNonce: '',
};

function createWorld(authenticate: PushServerOptions['authenticate']) {
  const addresses = new ResourceStore(ADDRESS_TYPE_URL);
  const stores = [addresses, new ResourceStore(AUTHORIZATION_TYPE_URL)];
  const metrics = new Metrics();
  const server = new PushServer({ stores, authenticate, clock: systemClock, logger: silentLogger, metrics });
  const put = (name: string, version: string): void => {
    const value = new Uint8Array(10);
    addresses.update([], [{ name, version, aliases: [], typeUrl: ADDRESS_TYPE_URL, value, backs: [] }]);
    server.changed(ADDRESS_TYPE_URL, new Set([name]));
  };
  return { server, metrics, put };
}

test('PushServer serves 10,000 nodes at a time and no more; a change reaches them all, and who leaves makes room', async () => {
  const { server, metrics, put } = createWorld((peer) => ({ kind: 'node-agent', node: peer.address }));
  put('a', '1');
  const count = PUSH_LIMITS.subscribersMax;
  assert.equal(count, 10_000);
  const streams = Array.from({ length: count }, (_, index) => new MemoryStream(`node-${index}`));
  const served = streams.map((stream) => server.serve(stream));
  for (const stream of streams) stream.ask();
  const all = (responses: number): boolean => streams.every(({ sent }) => sent.length === responses);
  await until('all have the first state', () => all(1), LONG_MS);
  for (const stream of streams) stream.acknowledge();

  await assert.rejects(server.serve(new MemoryStream('node-late')), { code: 'resource-exhausted' });
  assert.equal(await metrics.value('ambit_xds_stream_ends_total', ['limits']), 1);
  assert.equal(await metrics.value('ambit_xds_subscribers', []), count);

  const begun = process.cpuUsage();
  put('b', '1');
  await until('the change is with all', () => all(2), LONG_MS);
  for (const stream of streams) stream.acknowledge();
  const revision = 2;
  const isSettled = (): boolean => server.progress.every(({ settled }) => settled.get(ADDRESS_TYPE_URL) === revision);
  await until('all have it', isSettled, LONG_MS);
  // Of this process, as machines that run tests are busy with others too.
  const { user, system } = process.cpuUsage(begun);
  const tookMs = (user + system) / 1000;
  assert.ok(tookMs < CHANGE_MS, `${Math.round(tookMs)} ms of CPU`);

  streams[0]?.halfClose();
  await served[0];
  const next = new MemoryStream('node-late');
  const nextServed = server.serve(next);
  next.ask();
  await until('the next one is served', () => next.sent.length === 1, LONG_MS);
  for (const stream of [...streams, next]) stream.halfClose();
  await Promise.all([...served, nextServed]);
  assert.deepEqual(server.progress, []);
});

test('a node that opens 10,000 streams keeps its newest few, and others are served as ever', async () => {
  const { server, put } = createWorld(({ bearerToken = '' }) => ({ kind: 'node-agent', node: bearerToken }));
  const ca = createTestCa();
  const tls = ca.issueCertificate({ altNames: [{ kind: 'dns', value: CONTROLLER_SERVER_NAME }] });
  const services = { discovery: server.serve.bind(server) };
  await using grpc = await startGrpcServer({ host: '127.0.0.1', port: 0, tls, services, logger: silentLogger });
  const honest = await createPushTransport({
    address: `127.0.0.1:${grpc.port}`,
    serverName: CONTROLLER_SERVER_NAME,
    credentials: () => ({ rootsPem: ca.rootPem }),
    bearerToken: async () => 'honest',
  }).open(AbortSignal.timeout(LONG_MS));
  const responses = honest.responses[Symbol.asyncIterator]();
  /** From a change until the honest node has it. */
  const change = async (version: number): Promise<number> => {
    const begun = performance.now();
    put('a', String(version));
    const next = await responses.next();
    const response = next.done === true ? assert.fail('the stream ended') : next.value;
    assert.equal(response.resources[0]?.version, String(version));
    await honest.send({ ...FIRST, responseNonce: response.nonce });
    return performance.now() - begun;
  };
  put('a', '0');
  await honest.send(FIRST);
  await responses.next();
  await honest.send({ ...FIRST, responseNonce: '1' });

  const sessions: http2.ClientHttp2Session[] = [];
  let slowest = 0;
  let ended = 0;
  const message = encodeDiscoveryRequest(FIRST);
  const frame = Buffer.concat([Buffer.alloc(5), message]);
  frame.writeUInt32BE(message.length, 1);
  const perSession = 64;
  try {
    for (let opened = 0; opened < PUSH_LIMITS.subscribersMax; opened += perSession) {
      const session = http2.connect(`https://127.0.0.1:${grpc.port}`, {
        ca: ca.rootPem,
        servername: CONTROLLER_SERVER_NAME,
        checkServerIdentity: () => undefined,
      });
      session.on('error', () => {});
      sessions.push(session);
      await once(session, 'connect');
      for (let at = 0; at < perSession; at++) {
        const call = session.request({
          ':method': 'POST',
          ':path': DELTA_DISCOVERY_PATH,
          'content-type': 'application/grpc',
          te: 'trailers',
          authorization: 'Bearer greedy',
        });
        call.on('error', () => {});
        call.on('end', () => ended++).resume();
        call.write(frame);
      }
      slowest = Math.max(slowest, await change(opened + 1));
    }
    await until('most of its streams have ended', () => ended >= PUSH_LIMITS.subscribersMax - perSession, LONG_MS);
    const of = (node: string): number => server.subscribers.filter((subscriber) => subscriber.node === node).length;
    assert.deepEqual([of('greedy'), of('honest')], [PUSH_LIMITS.subscribersPerNodeMax, 1]);
    slowest = Math.max(slowest, await change(PUSH_LIMITS.subscribersMax + 1));
    assert.ok(slowest < CHANGE_MS, `${Math.round(slowest)} ms`);
  } finally {
    for (const session of sessions) session.destroy();
    honest.close();
  }
});
