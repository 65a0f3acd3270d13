import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  createCaClient,
  joinNode,
  loadNodeCredentials,
  openNodeIdentity,
  renewNode,
  requestSvid,
} from '@ambit/mesh/grpc';
import { type Logger, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { failureOf, ManualClock, until } from '@ambit/mesh/testing';
import { createKeyPairSync, openPrivateDirectory, privateKeyToPem } from '@ambit/mesh/tls';
import { accessOf, signal, startWorld, web } from '../../test/identity-world.ts';

test('a node renews its certificate with the current one, with a new key, and keeps it over a restart', async () => {
  await using world = await startWorld();
  const state = openPrivateDirectory(join(world.path, 'node'));
  const token = await world.token('n1');
  const first = await joinNode({ address: world.address, token, state, nowMs: Date.now(), signal });
  const second = await renewNode(world.address, first, state, signal);
  assert.notEqual(second.controller.client.privateKeyPem, first.controller.client.privateKeyPem);
  assert.deepEqual(loadNodeCredentials(state), second);
  using client = createCaClient(accessOf(world, second));
  assert.equal((await requestSvid(client, { identity: web, validitySeconds: 60 }, signal)).id, web);
});

test('openNodeIdentity() spends each token once, and goes on with its certificate when a token is refused', async () => {
  await using world = await startWorld();
  const state = openPrivateDirectory(join(world.path, 'node'));
  const options = { address: world.address, state, clock: systemClock, logger: silentLogger, signal };
  assert.equal(await failureOf(openNodeIdentity(options)), 'unauthenticated');
  const [token, spare] = [await world.token('n1'), await world.token('n1')];
  const joined = await openNodeIdentity({ ...options, token });
  const again = await openNodeIdentity({ ...options, token });
  const without = await openNodeIdentity(options);
  assert.deepEqual([again.current, without.current], [joined.current, joined.current]);
  const anew = await openNodeIdentity({ ...options, token: spare });
  assert.notDeepEqual(anew.current, joined.current);
  assert.equal(await failureOf(world.join(spare)), 'permission-denied');
  // Back to the first token, which is spent.
  const refused = await openNodeIdentity({ ...options, token });
  assert.deepEqual(refused.current, anew.current);
  const other = await openNodeIdentity({ ...options, token: await world.token('n2') });
  assert.equal(other.node, 'n2');
});

test('a damaged credentials file is as good as none: the node joins again', async () => {
  await using world = await startWorld();
  const state = openPrivateDirectory(join(world.path, 'node'));
  const options = { address: world.address, state, clock: systemClock, logger: silentLogger, signal };
  const joined = await openNodeIdentity({ ...options, token: await world.token('n1') });
  const whole = state.read('node.json') ?? '';
  const { privateKey } = createKeyPairSync();
  const otherKey = JSON.stringify({ ...JSON.parse(whole), privateKeyPem: privateKeyToPem(privateKey) });
  for (const damaged of ['', '{', 'null', '{}', whole.slice(0, -20), otherKey]) {
    state.write('node.json', damaged);
    assert.equal(loadNodeCredentials(state), undefined);
  }
  assert.equal(await failureOf(openNodeIdentity(options)), 'unauthenticated');
  const again = await openNodeIdentity({ ...options, token: await world.token('n1') });
  assert.notDeepEqual(again.current, joined.current);
});

test('a renewal that fails is tried again with growing pauses, and the old certificate stays in use', async () => {
  await using world = await startWorld();
  const clock = new ManualClock(Date.now());
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) };
  const state = openPrivateDirectory(join(world.path, 'node'));
  const token = await world.token('n1');
  const identity = await openNodeIdentity({ address: world.address, state, clock, logger, signal, token });
  const first = identity.current;
  await world.server[Symbol.asyncDispose]();
  const stop = new AbortController();
  const kept = identity.keepRenewed(stop.signal);
  await clock.advance((first.notAfterMs - first.notBeforeMs) / 2 + 1000);
  for (let failures = 1; failures <= 3; failures++) {
    await until(`failure ${failures} is logged`, () => warnings.length === failures && clock.pending === 1);
    await clock.advance(10_000);
  }
  stop.abort();
  await kept;
  assert.equal(identity.current, first);
  assert.ok(warnings.every((message) => message === 'node certificate not renewed'));
});

test('a node keeps its certificate renewed at half of its life', async () => {
  await using world = await startWorld({ validity: { nodeMs: 4000 } });
  const state = openPrivateDirectory(join(world.path, 'node'));
  const options = { address: world.address, state, clock: systemClock, logger: silentLogger, signal };
  const identity = await openNodeIdentity({ ...options, token: await world.token('n1') });
  const first = identity.current;
  const stop = new AbortController();
  const kept = identity.keepRenewed(stop.signal);
  await until('the certificate is renewed', () => identity.current !== first, 5000);
  stop.abort();
  await kept;
  assert.ok(Date.now() < first.notAfterMs);
  assert.deepEqual(loadNodeCredentials(state), identity.current);
});
