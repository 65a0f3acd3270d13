import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type LogFields, type Logger, silentLogger } from '@ambit/mesh/runtime';
import { ManualClock, until } from '@ambit/mesh/testing';
import { openPrivateDirectory } from '@ambit/mesh/tls';
import { SESSION_SECRET_LIFE_MS, SESSION_SECRET_NOTICE_MS, type SessionSecret } from './decide-session-secret.ts';
import { followSessionSecret, stepSessionSecret } from './session-secret-keeper.ts';
import { type SessionSecretStore, sessionSecretFile } from './session-secret-store.ts';

const root = mkdtempSync(join(tmpdir(), 'ambit-sessions-'));
after(() => rmSync(root, { recursive: true, force: true }));
const signal = AbortSignal.timeout(60_000);

function storeAt(name: string): { readonly store: SessionSecretStore; readonly file: string } {
  const path = join(root, name);
  return { store: sessionSecretFile(openPrivateDirectory(path)), file: join(path, 'session-keys.secret.json') };
}

test('a secret is made once, is for nobody else, and is the same after a restart', async () => {
  const { store, file } = storeAt('made');
  const options = { store, clock: new ManualClock(), logger: silentLogger };
  assert.deepEqual([await stepSessionSecret(options, signal), await stepSessionSecret(options, signal)], [true, false]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const first = await store.read(signal);
  assert.equal(first?.secret.current.length, 32);
  assert.deepEqual((await storeAt('made').store.read(signal))?.secret, first?.secret);
});

test('a secret is followed through its life, and one that cannot be used leaves the one of before', async () => {
  const { store, file } = storeAt('life');
  const clock = new ManualClock();
  const warnings: (readonly [string, LogFields | undefined])[] = [];
  const logger: Logger = { ...silentLogger, warn: (message, fields) => void warnings.push([message, fields]) };
  const options = { store, clock, logger };
  const stop = new AbortController();
  const told: SessionSecret[] = [];
  const following = followSessionSecret(options, (secret) => void told.push(secret), stop.signal);
  const next = async (count: number): Promise<void> => {
    await until('it is told', async () => {
      await clock.advance(60_000);
      return told.length === count;
    });
  };
  await stepSessionSecret(options, signal);
  await next(1);
  await clock.advance(SESSION_SECRET_LIFE_MS);
  await stepSessionSecret(options, signal);
  await next(2);
  await clock.advance(SESSION_SECRET_NOTICE_MS);
  await stepSessionSecret(options, signal);
  await next(3);
  assert.deepEqual(told[1]?.current, told[0]?.current);
  assert.deepEqual(told[2]?.current, told[1]?.next);
  assert.deepEqual(told[2]?.previous, told[0]?.current);
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace('"current":"', '"current":"AAAA'));
  await until('it is refused', async () => {
    await clock.advance(60_000);
    return warnings.length > 0;
  });
  assert.equal(told.length, 3);
  assert.ok(!JSON.stringify(warnings).includes('AAAA'));
  stop.abort();
  await following;
});
