import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, test } from 'node:test';
import {
  type CertificateRequest,
  type ControllerAccess,
  createCaClient,
  createPushTransport,
  requestSvid,
  startGrpcServer,
} from '@ambit/mesh/grpc';
import { type Gateway, parseObject, type Pod } from '@ambit/mesh/kinds';
import { createSpiffeId, DEFAULT_TRUST_DOMAIN, type SpiffeId } from '@ambit/mesh/model';
import { type Clock, type LogFields, Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { failureOf, until } from '@ambit/mesh/testing';
import { createCertificateRequest, createKeyPairSync, splitPemCertificates } from '@ambit/mesh/tls';
import { TestApiServer } from '../../../test/e2e/kube/api-server.ts';
import { applyObject, coreKind, requestToken, testClient } from '../../../test/e2e/kube/clients.ts';
import { authenticateSubscriber } from '../push/authenticate-subscriber.ts';
import type { SubscriberWorld } from '../push/decide-subscriber.ts';
import { createKubernetesIdentity } from './kubernetes-identity.ts';
import { AUTHORITY_SECRETS, AuthorityKeeper } from './secrets/authority-keeper.ts';
import { SecretAuthority } from './secrets/secret-authority.ts';
import { SecretStore } from './secrets/secret-store.ts';

const PODS = coreKind('pods', 'Pod');
const ACCOUNTS = coreKind('serviceaccounts', 'ServiceAccount');
const LONG_MS = 60_000;
const soon = (): AbortSignal => AbortSignal.timeout(LONG_MS);

const stack = new AsyncDisposableStack();
after(() => stack.disposeAsync());
const api = stack.use(await TestApiServer.start());
const client = stack.use(testClient(api));
for (const name of ['ambit-system', 'shop']) {
  await applyObject(client, coreKind('namespaces', 'Namespace', 'cluster'), { metadata: { name } });
}
for (const name of ['n1', 'n2']) {
  await applyObject(client, coreKind('nodes', 'Node', 'cluster'), { metadata: { name } });
}

interface TestPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly serviceAccount: string;
}

/** A pod as the scheduler leaves it: on a node, of that account. */
async function createPod(namespace: string, name: string, serviceAccount: string, nodeName: string): Promise<TestPod> {
  await applyObject(client, ACCOUNTS, { metadata: { namespace, name: serviceAccount } });
  const object = await applyObject(client, PODS, {
    metadata: { namespace, name },
    spec: { nodeName, serviceAccountName: serviceAccount, containers: [{ name: 'app', image: 'x' }] },
  });
  const { uid } = (object as { readonly metadata: { readonly uid: string } }).metadata;
  return { namespace, name, uid, serviceAccount };
}

async function tokenOf(pod: TestPod, audiences: readonly string[] = ['ambit-ca']): Promise<string> {
  const { namespace, serviceAccount, name, uid } = pod;
  return requestToken(client, { namespace, serviceAccount, audiences, pod: { name, uid } });
}

const agent1 = await createPod('ambit-system', 'agent-1', 'ambit-node-agent', 'n1');
const agent2 = await createPod('ambit-system', 'agent-2', 'ambit-node-agent', 'n2');
const web = await createPod('shop', 'web-1', 'web', 'n1');

const store = new SecretStore(client, 'ambit-system');
const keeper = new AuthorityKeeper({ store, clock: systemClock, logger: silentLogger });
for (let kind = ''; kind !== 'none'; ) ({ kind } = await keeper.step(soon()));
const stop = new AbortController();
stack.defer(() => stop.abort());
const authority = await SecretAuthority.open(
  { store, secret: AUTHORITY_SECRETS.intermediate, directory: null, clock: systemClock, logger: silentLogger },
  stop.signal,
);

const reasons: string[] = [];
/** Nodes whose agents have a discovery stream now. */
const streams = new Set<string>();
let skippedMs = 0;
/** Time that a test skips passes without its timers. */
const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skippedMs };
/** Our copy of the cluster; empty, so that everything is looked up, until a test puts something into it. */
const copy = new Map<string, Pod>();
const gateways = new Map<string, Gateway>();
const subscribers: SubscriberWorld = {
  pod: (namespace, name) => copy.get(`${namespace}/${name}`),
  gateway: (namespace, name) => gateways.get(`${namespace}/${name}`),
};
const logger = {
  ...silentLogger,
  warn: (_message: string, fields?: LogFields) => void reasons.push(String(fields?.['reason'])),
};
const identity = stack.use(
  createKubernetesIdentity({
    client,
    authority,
    trustDomain: DEFAULT_TRUST_DOMAIN,
    audiences: ['ambit-ca'],
    nodeAgentAccounts: ['ambit-system/ambit-node-agent'],
    serverNames: ['ambit-controller.ambit-system.svc'],
    workloadsByNode: { runsServiceAccount: () => false },
    podByName: (namespace, name) => copy.get(`${namespace}/${name}`),
    clock,
    logger,
    metrics: new Metrics(),
  }),
);
// Nobody waits here for a copy of the cluster that a test has made.
const subscription = { identity, world: subscribers, clock: { sleep: async () => {} }, logger };
const server = stack.use(
  await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    tls: identity.serverTls,
    services: {
      certificates: identity.certificates,
      discovery: async (stream) => {
        const { pod } = await authenticateSubscriber(subscription, stream.peer);
        stream.accept(pod?.uid ?? '');
        streams.add(pod?.name ?? '');
        await once(stream.signal, 'abort');
      },
    },
    logger: silentLogger,
  }),
);

function buildWaypointGateway(): Gateway {
  const metadata = { name: 'wp', namespace: 'shop' };
  const spec = { gatewayClassName: 'ambit-waypoint', listeners: [] };
  const gateway = parseObject({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata, spec });
  return gateway?.kind === 'Gateway' ? gateway : assert.fail('no Gateway');
}

function accessWith(token: string | undefined): ControllerAccess {
  const credentials = { rootsPem: authority.trustBundle.rootsPem.join('') };
  return {
    address: `127.0.0.1:${server.port}`,
    serverName: 'ambit-controller.ambit-system.svc',
    credentials: () => credentials,
    // What ztunnel sends besides.
    headers: { clusterid: 'Kubernetes' },
    ...(token === undefined ? {} : { bearerToken: async () => token }),
  };
}

function idOf(namespace: string, serviceAccount: string): SpiffeId {
  return createSpiffeId({ trustDomain: DEFAULT_TRUST_DOMAIN, namespace, serviceAccount });
}

/** Asks on behalf of an identity, as a node agent does. Answers `issued`, or what the caller is told and what our log says. */
async function ask(token: string | undefined, wanted: SpiffeId): Promise<string> {
  using ca = createCaClient(accessWith(token));
  reasons.length = 0;
  const told = await failureOf(requestSvid(ca, { identity: wanted, validitySeconds: 3600 }, soon()));
  return told === 'none' ? 'issued' : `${told}: ${reasons.join(', ')}`;
}

/** Takes the pod into our copy of the cluster. */
async function follow({ namespace, name }: TestPod): Promise<void> {
  const pod = parseObject(await client.get(PODS, { namespace, name }, soon()));
  copy.set(`${namespace}/${name}`, pod?.kind === 'Pod' ? pod : assert.fail());
}

/** Tokens that look like this one and are signed by nobody. */
function forge(token: string, count: number): readonly string[] {
  const signed = token.slice(0, token.lastIndexOf('.'));
  return Array.from(
    { length: count },
    (_, index) => `${signed}.${Buffer.from(`forged-${index}`).toString('base64url')}`,
  );
}

/** Asks as any client of the certificate service might, without going through the network. */
async function askFor(token: string, request: Partial<CertificateRequest>): Promise<readonly string[]> {
  const csrPem = createCertificateRequest({ keyPair: createKeyPairSync() });
  const whole = { csrPem, validitySeconds: 3600, impersonatedIdentity: undefined, ...request };
  const peer = { address: '127.0.0.1:1', certificate: undefined, bearerToken: token };
  return identity.certificates.createCertificate(async () => whole, peer, soon());
}

test('a node agent gets what runs on its node, also when our copy of the cluster does not have it yet', async () => {
  const [one, two] = [await tokenOf(agent1), await tokenOf(agent2)];
  assert.equal(await ask(one, idOf('shop', 'web')), 'issued');
  assert.equal(await ask(two, idOf('shop', 'web')), 'permission-denied: no-such-workload-on-node');
  assert.equal(await ask(one, idOf('shop', 'db')), 'permission-denied: no-such-workload-on-node');
  assert.equal(await ask(one, idOf('ambit-system', 'ambit-node-agent')), 'issued');
});

test('callers that are not who they must be are refused alike, and the log says why', async () => {
  const good = await tokenOf(agent1);
  const unbound = await requestToken(client, {
    namespace: 'ambit-system',
    serviceAccount: 'ambit-node-agent',
    audiences: ['ambit-ca'],
  });
  const [head, payload = '', signature] = good.split('.');
  const claims: object = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const forged = (change: object): string =>
    [head, Buffer.from(JSON.stringify({ ...claims, ...change })).toString('base64url'), signature].join('.');
  const shop = idOf('shop', 'web');
  const outcomes = {
    'no token': await ask(undefined, shop),
    garbage: await ask('garbage', shop),
    'for another audience': await ask(await tokenOf(agent1, ['vault']), shop),
    'for the API server': await ask(await tokenOf(agent1, []), shop),
    'no pod': await ask(unbound, shop),
    expired: await ask(forged({ exp: 1 }), shop),
    forged: await ask(forged({ 'x-made-up': true }), shop),
    'a workload for another': await ask(await tokenOf(web), idOf('ambit-system', 'ambit-node-agent')),
  };
  assert.deepEqual(outcomes, {
    'no token': 'unauthenticated: no-token',
    garbage: 'unauthenticated: token-malformed',
    'for another audience': 'unauthenticated: token-other-audience',
    'for the API server': 'unauthenticated: token-other-audience',
    'no pod': 'unauthenticated: token-not-bound-to-a-pod',
    expired: 'unauthenticated: token-expired',
    forged: 'unauthenticated: token-not-accepted',
    'a workload for another': 'permission-denied: not-a-node-agent',
  });
});

test('a token is worth nothing once its pod is gone, although it was accepted a moment ago', async () => {
  const passing = await createPod('ambit-system', 'agent-passing', 'ambit-node-agent', 'n1');
  const token = await tokenOf(passing);
  assert.equal(await ask(token, idOf('shop', 'web')), 'issued');
  await api.request('DELETE', '/api/v1/namespaces/ambit-system/pods/agent-passing?gracePeriodSeconds=0');
  assert.equal(await ask(token, idOf('shop', 'web')), 'unauthenticated: token-of-a-deleted-pod');
  await createPod('ambit-system', 'agent-passing', 'ambit-node-agent', 'n1');
  await until('the new pod of that name is found and is another', async () => {
    return (await ask(token, idOf('shop', 'web'))) === 'unauthenticated: token-of-a-deleted-pod';
  });
});

test('a workload gets its own certificate with its own token, named or not', async () => {
  const token = await tokenOf(web);
  const chain = await askFor(token, {});
  assert.equal(chain.length, 3);
  assert.equal(splitPemCertificates(chain.at(-1) ?? '').length, 1);
  using ca = createCaClient(accessWith(token));
  const csrPem = createCertificateRequest({ keyPair: createKeyPairSync(), uri: idOf('shop', 'db') });
  assert.equal(await failureOf(askFor(token, { csrPem })), 'permission-denied');
  assert.equal(
    await failureOf(ca.createCertificate({ identity: idOf('shop', 'web'), csrPem, validitySeconds: 1 }, soon())),
    'permission-denied',
  );
});

test('a request of ten megabytes is refused, and others are served meanwhile', async () => {
  const token = await tokenOf(agent1);
  using ca = createCaClient(accessWith(token));
  const csrPem = randomBytes(5_000_000).toString('hex');
  const large = failureOf(ca.createCertificate({ identity: idOf('shop', 'web'), csrPem, validitySeconds: 1 }, soon()));
  assert.equal(await ask(token, idOf('shop', 'web')), 'issued');
  assert.equal(await large, 'resource-exhausted');
});

test('only node agents and waypoints read the mesh, and their streams end with their pods', async () => {
  const open = async (token: string): Promise<string> => {
    const push = await createPushTransport(accessWith(token)).open(soon());
    const outcome = failureOf(push.responses[Symbol.asyncIterator]().next());
    const waited = new Promise<string>((resolve) => setTimeout(() => resolve('open'), 1000));
    const result = await Promise.race([outcome, waited]);
    push.close();
    return result;
  };
  assert.equal(await open(await tokenOf(agent1)), 'open');
  assert.equal(await open(await tokenOf(web)), 'permission-denied');
  await follow(web);
  assert.equal(await open(await tokenOf(web)), 'permission-denied');
  copy.delete('shop/web-1');
  const wp = await createPod('shop', 'wp-1', 'wp-ambit-waypoint', 'n1');
  await follow(wp);
  const known = copy.get('shop/wp-1') ?? assert.fail('the pod was not followed');
  const labels = new Map([
    ['gateway.networking.k8s.io/gateway-name', 'wp'],
    ['gateway.networking.k8s.io/gateway-class-name', 'ambit-waypoint'],
  ]);
  copy.set('shop/wp-1', { ...known, meta: { ...known.meta, labels } });
  assert.equal(await open(await tokenOf(wp)), 'permission-denied', 'there is no such Gateway');
  gateways.set('shop/wp', buildWaypointGateway());
  assert.equal(await open(await tokenOf(wp)), 'open');
  copy.delete('shop/wp-1');

  const subscriber = { node: 'n1', pod: { namespace: 'ambit-system', name: 'agent-1', uid: agent1.uid } };
  const looks: boolean[] = [];
  identity.onUnwanted((isUnwanted) => looks.push(isUnwanted(subscriber)));
  await until('it is looked', () => looks.length === 1, LONG_MS);
  await follow(agent1);
  await until('it is looked again', () => looks.length === 2, LONG_MS);
  copy.delete('ambit-system/agent-1');
  await until('it is looked once more', () => looks.length === 3, LONG_MS);
  // Not in our copy yet; there; gone.
  assert.deepEqual(looks, [false, false, true]);
});

test('while the API server is away, callers it confirmed go on and others are told to come back', async () => {
  const known = await tokenOf(agent1);
  const unknown = await tokenOf(agent2);
  await follow(agent1);
  assert.match(await failureOf(askFor(known, {})), /none/);
  await api.stopServer();
  try {
    assert.match(await failureOf(askFor(known, {})), /none/);
    assert.equal(await failureOf(askFor(unknown, {})), 'unavailable');
  } finally {
    await api.startServer();
  }
  await until('the other is served', async () => (await failureOf(askFor(unknown, {}))) === 'none', LONG_MS);
});

test('a flood of tokens from one address is stopped before the API server, and others are served', async () => {
  const token = await tokenOf(agent1);
  const flood = forge(token, 400).map((bearerToken, index) => {
    const peer = { address: `10.9.9.9:${index}`, certificate: undefined, bearerToken };
    return failureOf(identity.authenticate(peer));
  });
  const outcomes = await Promise.all(flood);
  const limited = outcomes.filter((outcome) => outcome === 'resource-exhausted').length;
  assert.ok(limited >= 300, `${limited} were limited`);
  assert.deepEqual([...new Set(outcomes)].toSorted(), ['resource-exhausted', 'unauthenticated']);
  assert.equal(await ask(token, idOf('shop', 'web')), 'issued');
});

const CROWD = 200;
const crowd = Array.from({ length: CROWD }, (_, index) => `crowd-${index}`);
const crowdTokens: string[] = [];

test('node agents that come all at once and from one address are served at their first attempt', async () => {
  for (const name of crowd) {
    const pod = await createPod('ambit-system', name, 'ambit-node-agent', 'n1');
    await follow(pod);
    crowdTokens.push(await tokenOf(pod));
  }
  streams.clear();
  const began = performance.now();
  await using opened = new AsyncDisposableStack();
  const failures: string[] = [];
  const open = async (token: string): Promise<void> => {
    const push = await createPushTransport(accessWith(token)).open(soon());
    opened.defer(() => push.close());
    void failureOf(push.responses[Symbol.asyncIterator]().next()).then((failure) => failures.push(failure));
  };
  await Promise.all(crowdTokens.map(open));
  await until('all are served', () => streams.size + failures.length >= CROWD, LONG_MS);
  assert.deepEqual([failures, streams.size], [[], CROWD]);
  const tookMs = performance.now() - began;
  assert.ok(tookMs < 20_000, `${tookMs} ms`);
});

test('while the API server hangs, callers it confirmed are served at once whatever crowd asks with them', async () => {
  const unknown = await tokenOf(agent2);
  // What was confirmed has to be confirmed again.
  skippedMs += 31_000;
  api.pauseServer();
  try {
    const flood = forge(unknown, 300).map((bearerToken, index) => {
      const peer = { address: `10.9.${index % 100}.9:1`, certificate: undefined, bearerToken };
      return failureOf(identity.authenticate(peer));
    });
    const began = performance.now();
    const outcomes = await Promise.all(crowdTokens.map((token) => failureOf(askFor(token, {}))));
    const tookMs = performance.now() - began;
    assert.deepEqual([...new Set(outcomes)], ['none']);
    assert.ok(tookMs < 4000, `${tookMs} ms`);
    const told = new Set(await Promise.all(flood));
    assert.deepEqual([...told].toSorted(), ['resource-exhausted', 'unavailable']);
  } finally {
    api.resumeServer();
  }
  await until('a new one is served', async () => (await failureOf(askFor(unknown, {}))) === 'none', LONG_MS);
});
