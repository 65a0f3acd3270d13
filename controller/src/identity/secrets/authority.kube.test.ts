import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createSpiffeId, DEFAULT_TRUST_DOMAIN } from '@ambit/mesh/model';
import { type Clock, type LogFields, type Logger, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { until } from '@ambit/mesh/testing';
import { createKeyPairSync, parseRevocationFile, parseSvid, privateKeyToPem } from '@ambit/mesh/tls';
import { TestApiServer } from '../../../../test/e2e/kube/api-server.ts';
import { applyObject, coreKind, testClient } from '../../../../test/e2e/kube/clients.ts';
import { AUTHORITY_SECRETS, AuthorityKeeper, ROTATE_ANNOTATION } from './authority-keeper.ts';
import { SecretAuthority } from './secret-authority.ts';
import { SecretStore } from './secret-store.ts';

const api = await TestApiServer.start();
const client = testClient(api);
after(async () => {
  client[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
});

const LONG_MS = 60_000;
const HOUR_MS = 3_600_000;
const identity = createSpiffeId({ trustDomain: DEFAULT_TRUST_DOMAIN, namespace: 'shop', serviceAccount: 'web' });
const soon = (): AbortSignal => AbortSignal.timeout(LONG_MS);

async function storeIn(namespace: string): Promise<SecretStore> {
  await applyObject(client, coreKind('namespaces', 'Namespace', 'cluster'), { metadata: { name: namespace } });
  return new SecretStore(client, namespace);
}

async function openAuthority(
  store: SecretStore,
  stop: AbortController,
  change: Partial<{ secret: string; directory: string; logger: Logger; clock: Clock }> = {},
): Promise<SecretAuthority> {
  const { secret = AUTHORITY_SECRETS.intermediate, directory = null, logger = silentLogger } = change;
  const { clock = systemClock } = change;
  return await SecretAuthority.open({ store, secret, directory, clock, logger }, stop.signal);
}

/** Issues one certificate and has it checked as an agent would. */
function issue(authority: SecretAuthority, roots: readonly string[] = authority.trustBundle.rootsPem): string {
  const { publicKey, privateKey } = createKeyPairSync();
  const { leafPem, serial } = authority.issueWorkload({ publicKey, identity, validityMs: HOUR_MS });
  const svid = parseSvid({
    privateKeyPem: privateKeyToPem(privateKey),
    chainPem: leafPem + authority.intermediatePem + roots.join(''),
    trustBundle: { rootsPem: roots },
  });
  assert.equal(svid.id, identity);
  return serial;
}

test('two replicas that begin at the same moment end up with the same authority', async () => {
  const store = await storeIn('together');
  const stop = new AbortController();
  const keepers = [0, 1].map(() => new AuthorityKeeper({ store, clock: systemClock, logger: silentLogger }));
  const running = keepers.map((keeper) => keeper.run(stop.signal).catch(() => {}));
  const [one, two] = await Promise.all([openAuthority(store, stop), openAuthority(store, stop)]);
  assert.deepEqual(one?.trustBundle, two?.trustBundle);
  assert.equal(one?.intermediatePem, two?.intermediatePem);
  assert.equal(one?.trustBundle.rootsPem.length, 1);
  issue(one ?? assert.fail());
  stop.abort();
  await Promise.all(running);
});

test('a root rotates with both roots believed in between, and replicas follow without a restart', async () => {
  const store = await storeIn('rotation');
  let aheadMs = 0;
  const clock: Clock = { ...systemClock, now: () => Date.now() + aheadMs };
  const keeper = new AuthorityKeeper({ store, clock, logger: silentLogger });
  const steps = async (): Promise<readonly string[]> => {
    const taken: string[] = [];
    for (;;) {
      const { kind } = await keeper.step(soon());
      if (kind === 'none') return taken;
      taken.push(kind);
    }
  };
  assert.deepEqual(await steps(), ['create-root', 'sign']);
  const stop = new AbortController();
  const authority = await openAuthority(store, stop, { clock });
  const [old] = authority.trustBundle.rootsPem;
  let changes = 0;
  authority.onChange(() => changes++);

  const path = `/api/v1/namespaces/rotation/secrets/${AUTHORITY_SECRETS.intermediate}`;
  const annotate = { metadata: { annotations: { [ROTATE_ANNOTATION]: 'now' } } };
  await api.request('PATCH', path, annotate, 'application/merge-patch+json');
  assert.deepEqual(await steps(), ['prepare-root', 'publish']);
  await until('both are believed', () => authority.trustBundle.rootsPem.length === 2, LONG_MS);
  assert.equal(authority.trustBundle.rootsPem[0], old);
  issue(authority);
  assert.deepEqual(await steps(), []);

  aheadMs += 49 * HOUR_MS;
  assert.deepEqual(await steps(), ['switch-root', 'sign']);
  await until('the new one signs', () => authority.trustBundle.rootsPem[1] === old, LONG_MS);
  const [fresh] = authority.trustBundle.rootsPem;
  assert.notEqual(fresh, old);
  // Who has heard of the new root alone is served too.
  issue(authority, [fresh ?? '']);

  aheadMs += 49 * HOUR_MS;
  assert.deepEqual(await steps(), ['publish']);
  await until('the old one is believed no more', () => authority.trustBundle.rootsPem.length === 1, LONG_MS);
  assert.deepEqual(authority.trustBundle.rootsPem, [fresh]);
  assert.ok(changes >= 3);
  stop.abort();
});

test('what is revoked stays so under the successor of an intermediate', async () => {
  const store = await storeIn('revoked');
  let aheadMs = 0;
  const clock: Clock = { ...systemClock, now: () => Date.now() + aheadMs };
  const keeper = new AuthorityKeeper({ store, clock, logger: silentLogger });
  for (let kind = ''; kind !== 'none'; ) ({ kind } = await keeper.step(soon()));
  const before = (await store.read(AUTHORITY_SECRETS.intermediate, soon())) ?? assert.fail();
  const texts = new Map([...before.texts, ['revoked', `list 1 1\nff ${10 ** 14}\n`]]);
  await store.replace(AUTHORITY_SECRETS.intermediate, before, { ...before, texts }, soon());
  aheadMs = 190 * 24 * HOUR_MS;
  const kinds: string[] = [];
  for (let kind = ''; kind !== 'none'; kinds.push(kind)) ({ kind } = await keeper.step(soon()));
  assert.deepEqual(kinds, ['relist', 'sign', 'none']);
  const renewed = (await store.read(AUTHORITY_SECRETS.intermediate, soon())) ?? assert.fail();
  assert.notEqual(renewed.texts.get('tls.crt'), before.texts.get('tls.crt'));
  assert.match(renewed.texts.get('revoked') ?? '', /^list 2 [0-9]+\nff 100000000000000\n$/);
  const [list] = parseRevocationFile(Buffer.from(renewed.texts.get('ca-crl.pem') ?? ''));
  assert.equal(list?.entryCount, 1);
});

test('an authority of somebody else is used as it is, and replaced when they replace it', async () => {
  const store = await storeIn('plugged');
  const donor = await storeIn('donor');
  const keeper = new AuthorityKeeper({ store: donor, clock: systemClock, logger: silentLogger });
  for (let kind = ''; kind !== 'none'; ) ({ kind } = await keeper.step(soon()));
  const given = (await donor.read(AUTHORITY_SECRETS.intermediate, soon())) ?? assert.fail();
  assert.equal(await store.create('company-ca', given, soon()), true);
  const stop = new AbortController();
  const authority = await openAuthority(store, stop, { secret: 'company-ca' });
  issue(authority);

  // A root alone, as a self-signed issuer of cert-manager keeps it.
  const root = (await donor.read(AUTHORITY_SECRETS.root, soon())) ?? assert.fail();
  const before = (await store.read('company-ca', soon())) ?? assert.fail();
  await store.replace('company-ca', before, root, soon());
  await until('the root signs itself', () => authority.intermediatePem === '', LONG_MS);
  issue(authority);
  stop.abort();
});

test('a Secret that cannot be used is said to be so without its key, and the one of before stays', async () => {
  const store = await storeIn('damaged');
  const keeper = new AuthorityKeeper({ store, clock: systemClock, logger: silentLogger });
  for (let kind = ''; kind !== 'none'; ) ({ kind } = await keeper.step(soon()));
  const lines: string[] = [];
  const note = (message: string, fields?: LogFields): void => {
    const error = fields?.['error'];
    const data: unknown = error instanceof Error ? Reflect.get(error, 'data') : undefined;
    lines.push(
      `${message} ${JSON.stringify({ ...fields, data })} ${error instanceof Error ? String(error.stack) : ''}`,
    );
  };
  const stop = new AbortController();
  const authority = await openAuthority(store, stop, { logger: { ...silentLogger, warn: note } });
  const stored = (await store.read(AUTHORITY_SECRETS.intermediate, soon())) ?? assert.fail();
  const other = createKeyPairSync();
  const key = privateKeyToPem(other.privateKey);
  await store.replace(
    AUTHORITY_SECRETS.intermediate,
    stored,
    { ...stored, texts: new Map([...stored.texts, ['tls.key', key]]) },
    soon(),
  );
  await until('it is said', () => lines.length > 0, LONG_MS);
  assert.match(lines.join('\n'), /tls\.crt and tls\.key do not fit/);
  assert.equal(lines.join('\n').includes(key.split('\n')[1] ?? key), false);
  issue(authority);
  await assert.rejects(keeper.step(soon()), { code: 'authority-unusable' });
  stop.abort();
});

test('while the API server is away a replica begins with the mounted Secret', async () => {
  const store = await storeIn('mounted');
  const keeper = new AuthorityKeeper({ store, clock: systemClock, logger: silentLogger });
  for (let kind = ''; kind !== 'none'; ) ({ kind } = await keeper.step(soon()));
  const directory = mkdtempSync(join(tmpdir(), 'ambit-mounted-'));
  const stored = (await store.read(AUTHORITY_SECRETS.intermediate, soon())) ?? assert.fail();
  for (const [name, text] of stored.texts) writeFileSync(join(directory, name), text);
  await api.stopServer();
  const stop = new AbortController();
  try {
    const authority = await openAuthority(store, stop, { directory });
    issue(authority);
  } finally {
    stop.abort();
    rmSync(directory, { recursive: true });
    await api.startServer();
  }
});
