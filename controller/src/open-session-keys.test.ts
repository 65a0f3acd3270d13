import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock, until } from '@ambit/mesh/testing';
import { openPrivateDirectory } from '@ambit/mesh/tls';
import { openSessionKeys } from './open-session-keys.ts';

const root = mkdtempSync(join(tmpdir(), 'ambit-session-keys-'));
after(() => rmSync(root, { recursive: true, force: true }));

test('without Kubernetes, a first start waits for nothing: it has what sessions are sealed with at once', async () => {
  const stop = new AbortController();
  const told: (readonly Uint8Array[])[] = [];
  const config = { stateDirectory: join(root, 'first') };
  await openSessionKeys(
    { config, kubernetes: null, clock: new ManualClock(), logger: silentLogger },
    { useSessionSecrets: (secrets) => void told.push(secrets) },
    stop.signal,
  );
  assert.deepEqual(
    told.map((secrets) => secrets.length),
    [1],
  );
  stop.abort();
});

test('without Kubernetes, a secret that cannot be used is kept again once it is out of the way', async () => {
  const stop = new AbortController();
  const told: (readonly Uint8Array[])[] = [];
  const config = { stateDirectory: join(root, 'bad') };
  const state = openPrivateDirectory(config.stateDirectory);
  state.write('session-keys.secret.json', 'nonsense');
  const clock = new ManualClock();
  let isOpen = false;
  const opening = openSessionKeys(
    { config, kubernetes: null, clock, logger: silentLogger },
    { useSessionSecrets: (secrets) => void told.push(secrets) },
    stop.signal,
  ).then(() => (isOpen = true));
  const pass = (what: string, isSo: () => boolean): Promise<true> =>
    until(what, async () => {
      await clock.advance(1000);
      return isSo();
    });
  await pass('the start goes on without', () => isOpen);
  await opening;
  assert.deepEqual(told, []);
  state.remove('session-keys.secret.json');
  await pass('another is made', () => told.length === 1);
  stop.abort();
});
