import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcError } from '@ambit/mesh/grpc';
import { SERVICE_ROUTES_TYPE_URL } from '@ambit/mesh/route-wire';
import { type LogFields, type Logger, Metrics, silentLogger } from '@ambit/mesh/runtime';
import { ManualClock, until } from '@ambit/mesh/testing';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL, type DiscoveryResponse } from '@ambit/mesh/wire';
import { MemoryStream } from '../../test/memory-stream.ts';
import { PUSH_LIMITS } from './limits.ts';
import { PushServer } from './push-server.ts';
import { type PushResource, ResourceStore } from './resource-store.ts';

const AGENT = '10.0.0.1:5000';

function resource(name: string, version: string): PushResource {
  return { name, version, aliases: [], typeUrl: ADDRESS_TYPE_URL, value: new Uint8Array(10), backs: [] };
}

function createWorld() {
  const addresses = new ResourceStore(ADDRESS_TYPE_URL);
  const clock = new ManualClock();
  const metrics = new Metrics();
  const warnings: [string, LogFields | undefined][] = [];
  const logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: (message, fields) => void warnings.push([message, fields]),
    error: (message, fields) => void warnings.push([message, fields]),
    child: () => logger,
  };
  const policies = new ResourceStore(AUTHORIZATION_TYPE_URL);
  const stores = [addresses, policies];
  const server = new PushServer({
    stores,
    authenticate: (peer) => {
      if (peer.address !== '10.0.0.1:5000') throw new GrpcError('unauthenticated');
      return { kind: 'node-agent', node: 'host-a' };
    },
    clock,
    logger,
    metrics,
  });
  const put = (...resources: PushResource[]): void => {
    addresses.update([], resources);
    server.changed(ADDRESS_TYPE_URL, new Set(resources.map(({ name }) => name)));
  };
  return { server, addresses, policies, put, clock, metrics, warnings };
}

function names(response: DiscoveryResponse | undefined): readonly string[] {
  return response?.resources.map(({ name, version }) => `${name}@${version}`) ?? [];
}

test('PushServer pushes to each subscriber what it lacks, sharing the bytes', async () => {
  const { server, put, metrics } = createWorld();
  put(resource('a', '1'));
  const [one, two] = [new MemoryStream(), new MemoryStream()];
  const served = [server.serve(one), server.serve(two)];
  one.ask();
  two.ask();
  await until('both have the first state', () => one.sent.length === 1 && two.sent.length === 1);
  assert.equal(one.sent[0]?.resources[0]?.value, two.sent[0]?.resources[0]?.value);
  one.acknowledge();
  await until(
    'the acknowledgement was read',
    async () => (await metrics.value('ambit_xds_answers_total', ['Address', 'accepted'])) === 1,
  );
  put(resource('a', '2'), resource('b', '1'));
  await until('the first subscriber has the change', () => one.sent.length === 2);
  assert.deepEqual(names(one.sent[1]), ['a@2', 'b@1']);
  assert.equal(two.sent.length, 1);
  two.acknowledge();
  await until('the second subscriber has it after its answer', () => two.sent.length === 2);
  assert.equal(await metrics.value('ambit_xds_subscribers'), 2);
  assert.deepEqual(server.subscribers[0], {
    kind: 'node-agent',
    node: 'host-a',
    peer: '10.0.0.1:5000',
    held: { [ADDRESS_TYPE_URL]: 2 },
  });
  one.halfClose();
  two.breakOff();
  await Promise.all(served);
  assert.equal(await metrics.value('ambit_xds_subscribers'), 0);
  assert.equal(await metrics.value('ambit_xds_stream_ends_total', ['client']), 2);
  assert.equal(await metrics.value('ambit_xds_resources_sent_total', ['Address']), 6);
});

test('PushServer gathers changes for a subscriber whose network is slow', async () => {
  const { server, put } = createWorld();
  const stream = new MemoryStream();
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.network = promise;
  const served = server.serve(stream);
  stream.ask();
  await until('the first response is on its way', () => stream.sent.length === 1);
  stream.acknowledge();
  for (let version = 1; version <= 1000; version++) put(resource('a', String(version)));
  stream.network = Promise.resolve();
  resolve();
  await until('one response brings it up to date', () => stream.sent.length === 2);
  assert.deepEqual(names(stream.sent[1]), ['a@1000']);
  stream.halfClose();
  await served;
});

test('PushServer logs the reason of a refusal and counts it', async () => {
  const { server, metrics, warnings } = createWorld();
  const stream = new MemoryStream();
  const served = server.serve(stream);
  stream.ask();
  await until('the first response is there', () => stream.sent.length === 1);
  stream.acknowledge({ errorDetail: { code: 3, message: 'workload a: bad address' } });
  stream.halfClose();
  await served;
  assert.deepEqual(warnings, [
    ['subscriber refused a response', { type: ADDRESS_TYPE_URL, reason: 'workload a: bad address' }],
  ]);
  assert.equal(await metrics.value('ambit_xds_answers_total', ['Address', 'refused']), 1);
});

test('PushServer cuts off a subscriber that does not answer, not one that does', async () => {
  const { server, clock, put } = createWorld();
  const [deaf, alive] = [new MemoryStream(), new MemoryStream()];
  const deafServed = assert.rejects(server.serve(deaf), { code: 'deadline-exceeded' });
  const aliveServed = server.serve(alive);
  deaf.ask();
  alive.ask();
  await until('both have the first state', () => deaf.sent.length === 1 && alive.sent.length === 1);
  alive.acknowledge();
  await clock.advance(PUSH_LIMITS.acknowledgeMs - 1);
  put(resource('a', '1'));
  await until('the change is sent', () => alive.sent.length === 2);
  await clock.advance(1);
  await deafServed;
  assert.equal(server.subscribers.length, 1);
  alive.halfClose();
  await aliveServed;
  assert.equal(clock.pending, 0);
});

test('PushServer cuts off a subscriber that never reads, while others are served', async () => {
  const { server, clock, put } = createWorld();
  const [stuck, alive] = [new MemoryStream(), new MemoryStream()];
  // What is sent to it never leaves.
  stuck.network = new Promise(() => {});
  const stuckServed = assert.rejects(server.serve(stuck), { code: 'deadline-exceeded' });
  const aliveServed = server.serve(alive);
  stuck.ask();
  alive.ask();
  await until('the first response is on its way', () => stuck.sent.length === 1 && alive.sent.length === 1);
  alive.acknowledge();
  put(resource('a', '1'));
  await until('the other is served', () => alive.sent.length === 2);
  alive.acknowledge();
  await clock.advance(PUSH_LIMITS.acknowledgeMs);
  await stuckServed;
  assert.equal(stuck.sent.length, 1);
  assert.equal(server.subscribers.length, 1);
  alive.halfClose();
  await aliveServed;
});

test('PushServer refuses callers it does not know and ends streams that break limits', async () => {
  const { server, metrics } = createWorld();
  const stranger = new MemoryStream('x');
  await assert.rejects(server.serve(stranger), { code: 'unauthenticated' });
  const greedy = new MemoryStream();
  const served = server.serve(greedy);
  greedy.ask({ subscribe: ['x'.repeat(PUSH_LIMITS.nameLengthMax + 1)] });
  await assert.rejects(served, { code: 'resource-exhausted' });
  assert.equal(await metrics.value('ambit_xds_stream_ends_total', ['refused']), 1);
  assert.equal(await metrics.value('ambit_xds_stream_ends_total', ['limits']), 1);
});

test('PushServer drops the streams of a node that may no longer read', async () => {
  const { server } = createWorld();
  const stream = new MemoryStream();
  const served = assert.rejects(server.serve(stream), { code: 'unauthenticated' });
  stream.ask();
  await until('the first response is there', () => stream.sent.length === 1);
  assert.equal(
    server.drop((identity) => identity.node === 'host-b'),
    0,
  );
  assert.equal(
    server.drop((identity) => identity.node === 'host-a'),
    1,
  );
  await served;
});

test('PushServer ignores types it does not serve and says so once', async () => {
  const { server, warnings } = createWorld();
  const stream = new MemoryStream();
  const served = server.serve(stream);
  for (let i = 0; i < 3; i++) stream.ask({ typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' });
  stream.ask();
  await until('the known type is served', () => stream.sent.length === 1);
  assert.equal(stream.sent[0]?.typeUrl, ADDRESS_TYPE_URL);
  assert.equal(warnings.length, 1);
  stream.halfClose();
  await served;
});

test('PushServer sends policies before the workloads that name them and removes them after', async () => {
  const { server, addresses, policies } = createWorld();
  const stream = new MemoryStream();
  const served = server.serve(stream);
  const types = (from: number): readonly string[] =>
    stream.sent
      .slice(from)
      .map(
        ({ typeUrl, resources, removedResources }) =>
          `${typeUrl.split('.').at(-1)} +${resources.length} -${removedResources.length}`,
      );
  const both = (workload: PushResource, removed: string[], policy: PushResource[]): void => {
    addresses.update([], [workload]);
    policies.update(removed, policy);
    server.changed(ADDRESS_TYPE_URL, new Set([workload.name]));
    server.changed(AUTHORIZATION_TYPE_URL, new Set([...removed, ...policy.map(({ name }) => name)]));
  };
  stream.ask({ typeUrl: ADDRESS_TYPE_URL });
  stream.ask({ typeUrl: AUTHORIZATION_TYPE_URL });
  await until('both types are answered', () => stream.sent.length === 2);
  for (const { typeUrl, nonce } of stream.sent) stream.ask({ typeUrl, responseNonce: nonce });
  await until('both answers were read', () => server.subscribers.length === 1);
  await new Promise((resolve) => setImmediate(resolve));
  both(resource('w', '1'), [], [{ ...resource('p', '1'), typeUrl: AUTHORIZATION_TYPE_URL }]);
  await until('both were sent', () => stream.sent.length === 4);
  assert.deepEqual(types(2), ['Authorization +1 -0', 'Address +1 -0']);
  const [policyPush, addressPush] = stream.sent.slice(2);
  stream.ask({ typeUrl: AUTHORIZATION_TYPE_URL, responseNonce: policyPush?.nonce ?? '' });
  stream.ask({ typeUrl: ADDRESS_TYPE_URL, responseNonce: addressPush?.nonce ?? '' });
  await new Promise((resolve) => setImmediate(resolve));
  both(resource('w', '2'), ['p'], []);
  await until('the workload was sent', () => stream.sent.length === 5);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(types(4), ['Address +1 -0']);
  stream.acknowledge();
  await until('the removal follows its acknowledgement', () => stream.sent.length === 6);
  assert.deepEqual(types(5), ['Authorization +0 -1']);
  stream.halfClose();
  await served;
});

test('PushServer keeps workloads back while a policy waits behind an unanswered response', async () => {
  const { server, addresses, policies } = createWorld();
  const stream = new MemoryStream();
  const served = server.serve(stream);
  stream.ask({ typeUrl: AUTHORIZATION_TYPE_URL });
  stream.ask({ typeUrl: ADDRESS_TYPE_URL });
  await until('both types are answered', () => stream.sent.length === 2);
  for (const { typeUrl, nonce } of stream.sent) stream.ask({ typeUrl, responseNonce: nonce });
  await new Promise((resolve) => setImmediate(resolve));
  const policy = (name: string): void => {
    policies.update([], [{ ...resource(name, '1'), typeUrl: AUTHORIZATION_TYPE_URL }]);
    server.changed(AUTHORIZATION_TYPE_URL, new Set([name]));
  };
  const names = (): readonly (string | undefined)[] => stream.sent.slice(2).map(({ resources }) => resources[0]?.name);
  policy('first');
  await until('the first policy was sent', () => stream.sent.length === 3);
  policy('of-the-namespace');
  addresses.update([], [resource('workload', '1')]);
  server.changed(ADDRESS_TYPE_URL, new Set(['workload']));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(names(), ['first']);
  stream.acknowledge();
  await until('the rest was sent', () => stream.sent.length === 5);
  assert.deepEqual(names(), ['first', 'of-the-namespace', 'workload']);
  stream.halfClose();
  await served;
});

test('PushServer tells the removal of a policy that a client names without having been able to read it', async () => {
  const { server } = createWorld();
  const stream = new MemoryStream();
  const served = server.serve(stream);
  const initialResourceVersions = new Map([['shop/p', 'unreadable']]);
  stream.ask({ typeUrl: AUTHORIZATION_TYPE_URL, initialResourceVersions });
  await until('it is answered', () => stream.sent.length === 1);
  assert.deepEqual(stream.sent[0]?.removedResources, ['shop/p']);
  stream.halfClose();
  await served;
});

test('PushServer.progress counts a node by the slowest of its streams and announces every step', async () => {
  const { server, put, addresses } = createWorld();
  let steps = 0;
  server.onProgress(() => steps++);
  const settled = (): readonly (readonly [string, boolean])[] =>
    server.progress.map(({ node, settled: by }) => [node, by.get(ADDRESS_TYPE_URL) === addresses.revision]);
  const refused = (): readonly string[] => [...(server.progress[0]?.refused.get(ADDRESS_TYPE_URL) ?? [])];
  put(resource('a', '1'));
  const [one, two] = [new MemoryStream(), new MemoryStream()];
  const served = [server.serve(one), server.serve(two)];
  one.ask();
  two.ask();
  await until('both have the first state', () => one.sent.length === 1 && two.sent.length === 1);
  assert.equal(steps, 2);
  one.acknowledge();
  await until('the first answer counts', () => steps === 3);
  assert.deepEqual(settled(), [['host-a', false]]);
  two.acknowledge({ errorDetail: { code: 3, message: 'a: no' } });
  await until('the second answer counts', () => steps === 4);
  assert.deepEqual(settled(), [['host-a', true]]);
  assert.deepEqual(refused(), ['a']);
  two.halfClose();
  await until('the end of a stream counts', () => steps === 5);
  assert.deepEqual(refused(), []);
  one.halfClose();
  await Promise.all(served);
  assert.deepEqual(server.progress, []);
});

test('PushServer.progress leaves waypoints out, and neither takes the place of the agent of its node', async () => {
  const clock = new ManualClock();
  const routes = new ResourceStore(SERVICE_ROUTES_TYPE_URL);
  const server = new PushServer({
    stores: [routes],
    authenticate: ({ address }) =>
      address === AGENT
        ? { kind: 'node-agent', node: 'host-a' }
        : { kind: 'waypoint', node: 'host-a', pod: { namespace: 'shop', name: address, uid: '' }, gateway: 'shop/wp' },
    clock,
    logger: silentLogger,
    metrics: new Metrics(),
  });
  const streams = [
    AGENT,
    ...Array.from({ length: PUSH_LIMITS.subscribersPerNodeMax }, (_, index) => `wp-${index}`),
  ].map((address) => new MemoryStream(address));
  const served = streams.map((stream) => server.serve(stream));
  await until('all are there', () => server.subscribers.length === streams.length);
  assert.deepEqual(
    server.progress.map(({ node }) => node),
    ['host-a'],
  );
  assert.deepEqual(server.subscribers.at(-1)?.gateway, 'shop/wp');
  for (const stream of streams) stream.breakOff();
  await Promise.all(served);
});
