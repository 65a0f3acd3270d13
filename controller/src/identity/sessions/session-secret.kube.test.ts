import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { until } from '@ambit/mesh/testing';
import { TestApiServer } from '../../../../test/e2e/kube/api-server.ts';
import { applyObject, coreKind, testClient } from '../../../../test/e2e/kube/clients.ts';
import { SecretStore } from '../secrets/secret-store.ts';
import { SESSION_SECRET_LIFE_MS, type SessionSecret } from './decide-session-secret.ts';
import { followSessionSecret, stepSessionSecret } from './session-secret-keeper.ts';
import { sessionSecretIn } from './session-secret-store.ts';

const api = await TestApiServer.start();
const client = testClient(api);
after(async () => {
  client[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
});

test('two who believe to lead end up with the same secret, through its life, and every replica follows', async () => {
  await applyObject(client, coreKind('namespaces', 'Namespace', 'cluster'), { metadata: { name: 'sessions' } });
  const store = sessionSecretIn(new SecretStore(client, 'sessions'));
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
  const options = { store, clock, logger: silentLogger };
  const stop = new AbortController();
  const told: SessionSecret[] = [];
  const following = followSessionSecret(options, (secret) => void told.push(secret), stop.signal);
  const together = async (): Promise<number> => {
    const steps = [0, 1].map(() => stepSessionSecret(options, stop.signal));
    return (await Promise.all(steps)).filter((isDone) => isDone).length;
  };
  assert.equal(await together(), 1);
  await until('it is followed', () => told.length === 1, 60_000);
  aheadMs = SESSION_SECRET_LIFE_MS;
  assert.equal(await together(), 1);
  const kept = await store.read(stop.signal);
  assert.deepEqual(kept?.secret.current, told[0]?.current);
  assert.equal(kept?.secret.next?.length, 32);
  stop.abort();
  await following;
});
