import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONTROLLER_SERVER_NAME, createPushTransport, startGrpcServer } from '@ambit/mesh/grpc';
import { PushClient } from '@ambit/mesh/push';
import { Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { buildWorkload, createTestCa, until } from '@ambit/mesh/testing';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/mesh/wire';
import { encodeResource } from '../src/push/encode-resource.ts';
import { PushServer } from '../src/push/push-server.ts';
import { ResourceStore } from '../src/push/resource-store.ts';

test('a node agent tells over gRPC which resource of a response it refuses, and when it no more does', async () => {
  const addresses = new ResourceStore(ADDRESS_TYPE_URL);
  const server = new PushServer({
    stores: [addresses, new ResourceStore(AUTHORIZATION_TYPE_URL)],
    authenticate: () => ({ kind: 'node-agent', node: 'n1' }),
    clock: systemClock,
    logger: silentLogger,
    metrics: new Metrics(),
  });
  const good = encodeResource({ kind: 'workload', workload: buildWorkload({ name: 'good' }) });
  const bad = encodeResource({ kind: 'workload', workload: buildWorkload({ name: 'bad', addresses: ['10.0.0.9'] }) });
  addresses.update([], [good, { ...bad, version: 'broken', value: Uint8Array.of(0xff) }]);

  const ca = createTestCa();
  const tls = ca.issueCertificate({ altNames: [{ kind: 'dns', value: CONTROLLER_SERVER_NAME }] });
  const services = { discovery: server.serve.bind(server) };
  await using grpc = await startGrpcServer({ host: '127.0.0.1', port: 0, tls, services, logger: silentLogger });
  const client = new PushClient({
    transport: createPushTransport({
      address: `127.0.0.1:${grpc.port}`,
      serverName: CONTROLLER_SERVER_NAME,
      credentials: () => ({ rootsPem: ca.rootPem }),
    }),
    node: { id: 'n1', cluster: '', metadata: {} },
    clock: systemClock,
    logger: silentLogger,
    apply: () => Promise.resolve(),
  });
  const stop = new AbortController();
  const running = client.run(stop.signal);
  const refused = (): readonly string[] => [...(server.progress[0]?.refused.get(ADDRESS_TYPE_URL) ?? [])];
  const settled = (): number | undefined => server.progress[0]?.settled.get(ADDRESS_TYPE_URL);
  await until('the first response is answered', () => settled() === addresses.revision);
  assert.deepEqual(refused(), [bad.name]);

  addresses.update([], [bad]);
  server.changed(ADDRESS_TYPE_URL, new Set([bad.name]));
  await until('the next one is', () => settled() === addresses.revision);
  assert.deepEqual(refused(), []);
  stop.abort();
  await running.catch(() => {});
});
