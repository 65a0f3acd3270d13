import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createSpiffeId, DEFAULT_TRUST_DOMAIN } from '@ambit/mesh/model';
import { createEnvironment, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { until } from '@ambit/mesh/testing';
import { createKeyPairSync, createRevocations, parseRevocationFile, readCertificateName } from '@ambit/mesh/tls';
import { X509Certificate } from 'node:crypto';
import { applyObject } from '../../test/e2e/kube/clients.ts';
import { installGatewayApi } from '../../test/e2e/kube/gateway-api.ts';
import { parseCommand } from '../src/config.ts';
import { AUTHORITY_SECRETS, SecretAuthority, SecretStore } from '../src/identity/index.ts';
import { revokeOnKubernetes } from '../src/kubernetes-parts.ts';
import { GATEWAYS } from '../src/reconcile/waypoints/waypoint-resources.ts';
import { KubernetesWorld } from './kubernetes-world.ts';

const LONG_MS = 60_000;
const soon = (): AbortSignal => AbortSignal.timeout(LONG_MS);

const stack = new AsyncDisposableStack();
after(() => stack.disposeAsync());
const world = stack.use(await KubernetesWorld.start());
const stop = new AbortController();
stack.defer(() => stop.abort());
await installGatewayApi(world.api);
await world.createNamespace('shop', { 'ambit.dev/mode': 'ambient' });
await world.createNamespace('bank', { 'ambit.dev/mode': 'ambient' });

/** The lists in a namespace; null when there is no ConfigMap. */
async function listsOf(namespace: string): Promise<string | null> {
  const { status, text } = await world.api.call('GET', `/api/v1/namespaces/${namespace}/configmaps/ambit-ca-crl`);
  if (status === 404) return null;
  const object = JSON.parse(text) as { readonly data?: Readonly<Record<string, string>> };
  return object.data?.['ca-crl.pem'] ?? null;
}

function isRevoked(pem: string | null, certificate: string): boolean {
  const lists = parseRevocationFile(Buffer.from(pem ?? ''));
  const name = readCertificateName(new X509Certificate(certificate).raw);
  return name !== undefined && createRevocations(lists.map(({ serials }) => serials)).isRevoked(name);
}

async function authorityOf(secret: string): Promise<SecretAuthority> {
  const store = new SecretStore(world.client, 'ambit-system');
  const options = { store, secret, directory: null, clock: systemClock, logger: silentLogger };
  return await SecretAuthority.open(options, stop.signal);
}

function issue(authority: SecretAuthority): string {
  const identity = createSpiffeId({ trustDomain: DEFAULT_TRUST_DOMAIN, namespace: 'shop', serviceAccount: 'web' });
  return authority.issueWorkload({ publicKey: createKeyPairSync().publicKey, identity, validityMs: 3_600_000 }).leafPem;
}

/** `controller revoke --kubernetes --certificate`, as it runs in a pod of the controller. */
async function revoke(certificate: string, variables: Readonly<Record<string, string>> = {}): Promise<void> {
  const environment = createEnvironment({ KUBECONFIG: world.api.kubeconfig, ...variables });
  const command = parseCommand(['revoke', '--kubernetes', '--certificate', '-'], environment);
  assert.ok(command.kind === 'revoke-on-kubernetes');
  await revokeOnKubernetes(
    command.kubernetes,
    certificate,
    { clock: systemClock, environment, version: 'test' },
    soon(),
  );
}

test('what is revoked comes to node agents and to waypoints, several at once too', async () => {
  await using _controller = await world.startController();
  await until('lists without anything', async () => (await listsOf('ambit-system')) === '', LONG_MS);
  const authority = await authorityOf(AUTHORITY_SECRETS.intermediate);
  const [stolen, other, later] = [issue(authority), issue(authority), issue(authority)];
  await revoke(stolen);
  await until('node agents have it', async () => isRevoked(await listsOf('ambit-system'), stolen), LONG_MS);
  assert.equal(isRevoked(await listsOf('ambit-system'), other), false);
  assert.equal(await listsOf('shop'), null, 'no proxy of the namespace reads it');

  await applyObject(world.client, GATEWAYS, {
    metadata: { namespace: 'shop', name: 'wp' },
    spec: {
      gatewayClassName: 'ambit-waypoint',
      listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }],
    },
  });
  await until('waypoints have it', async () => isRevoked(await listsOf('shop'), stolen), LONG_MS);
  assert.equal(await listsOf('bank'), null);

  await Promise.all([revoke(other), revoke(later), revoke(stolen)]);
  for (const certificate of [stolen, other, later])
    await until('all are listed', async () => isRevoked(await listsOf('shop'), certificate), LONG_MS);
  await assert.rejects(revoke('no certificate'), { code: 'not-issued-here' });
  await assert.rejects(revoke(stolen, { AMBIT_CA_SECRET: 'company-ca' }), { code: 'authority-not-ours' });
});

test("lists of a company's own authority are handed out as they are, and not while they cannot be used", async () => {
  const store = new SecretStore(world.client, 'ambit-system');
  const given = (await store.read(AUTHORITY_SECRETS.intermediate, soon())) ?? assert.fail();
  const company = new Map([...given.texts].filter(([key]) => key !== 'revoked'));
  assert.equal(await store.create('company-ca', { texts: company, annotations: new Map() }, soon()), true);
  await using _controller = await world.startController({}, { AMBIT_CA_SECRET: 'company-ca' });
  const lists = company.get('ca-crl.pem') ?? assert.fail();
  await until('they are handed out', async () => (await listsOf('shop')) === lists, LONG_MS);

  const put = async (text: string): Promise<void> => {
    const before = (await store.read('company-ca', soon())) ?? assert.fail();
    const texts = new Map([...before.texts, ['ca-crl.pem', text] as const]);
    assert.equal(await store.replace('company-ca', before, { ...before, texts }, soon()), true);
  };
  await put('-----BEGIN X509 CRL-----\ncut short');
  const isTold = (): boolean => world.lines.some((line) => line.includes('lists beside the authority cannot be used'));
  await until('it is told', isTold, LONG_MS);
  assert.equal(await listsOf('shop'), lists);
  await put('');
  await until('nothing is revoked any more', async () => (await listsOf('shop')) === '', LONG_MS);
});
