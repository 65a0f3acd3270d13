import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  createCaClient,
  createNodeIdentityClient,
  createPushTransport,
  type ControllerAccess,
  type GrpcServer,
  joinNode,
  loadNodeCredentials,
  type NodeCredentials,
  openNodeIdentity,
  renewNode,
  requestSvid,
  startGrpcServer,
} from '@ambit/mesh/grpc';
import { DEFAULT_TRUST_DOMAIN } from '@ambit/mesh/model';
import { type LogFields, type Logger, Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { failureOf, ManualClock, testIdentity, until } from '@ambit/mesh/testing';
import {
  createCertificateRequest,
  createKeyPairSync,
  handshakes,
  formatJoinToken,
  identifyPeer,
  openPrivateDirectory,
  parseJoinToken,
  privateKeyToPem,
  secureContextOf,
} from '@ambit/mesh/tls';
import { type ControllerIdentity, type IdentityOptions, openIdentity } from './controller-identity.ts';
import { issueJoinToken, revokeNode } from './operator-commands.ts';

const web = testIdentity('shop', 'web');
const signal = new AbortController().signal;

interface World extends AsyncDisposable {
  readonly identity: ControllerIdentity;
  readonly server: GrpcServer;
  readonly address: string;
  readonly path: string;
  /** `reason` of every warning so far. */
  readonly reasons: readonly unknown[];
  token(node: string, validityMs?: number): Promise<string>;
  join(token: string, node?: string): Promise<NodeCredentials>;
}

/** A controller's identity behind its real server: node n1 runs shop/web, nothing else runs anywhere. */
async function startWorld(change: Partial<IdentityOptions> = {}): Promise<World> {
  const path = mkdtempSync(join(tmpdir(), 'ambit-identity-'));
  const reasons: unknown[] = [];
  const note = (_message: string, fields?: LogFields): void => void reasons.push(fields?.['reason']);
  const logger: Logger = { ...silentLogger, warn: note };
  const clock = change.clock ?? systemClock;
  const stateDirectory = join(path, 'controller');
  const identity = await openIdentity({
    stateDirectory,
    trustDomain: DEFAULT_TRUST_DOMAIN,
    workloadsByNode: {
      runsServiceAccount: (node, namespace, account) => `${node}/${namespace}/${account}` === 'n1/shop/web',
    },
    clock,
    logger,
    metrics: new Metrics(),
    ...change,
  });
  const { certificates, nodes = assert.fail('nodes join'), serverTls } = identity;
  const server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    tls: serverTls,
    services: {
      certificates,
      nodes,
      discovery: async (stream) => {
        await identity.authenticate(stream.peer);
        await once(stream.signal, 'abort');
      },
    },
    logger: silentLogger,
  });
  identity.onServerTls((tls) => server.updateTls(tls));
  const address = `127.0.0.1:${server.port}`;
  let joins = 0;
  return {
    identity,
    server,
    address,
    path,
    reasons,
    token: (node, validityMs) =>
      issueJoinToken({ stateDirectory, node, clock, ...(validityMs === undefined ? {} : { validityMs }) }),
    join: (token, node) =>
      joinNode({
        address,
        token,
        state: openPrivateDirectory(join(path, `node${joins++}`)),
        nowMs: 0,
        signal,
        ...(node === undefined ? {} : { node }),
      }),
    async [Symbol.asyncDispose]() {
      identity[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
      rmSync(path, { recursive: true });
    },
  };
}

function accessOf(world: World, credentials: NodeCredentials): ControllerAccess {
  return {
    address: world.address,
    serverName: 'controller.ambit.dev',
    credentials: () => credentials.controller,
  };
}

test('a node joins by token and gets certificates for what runs on it, which two workloads accept', async () => {
  await using world = await startWorld();
  const credentials = await world.join(await world.token('n1'));
  assert.equal(credentials.node, 'n1');
  using client = createCaClient(accessOf(world, credentials));
  const svid = await requestSvid(client, { identity: web, validitySeconds: 3600 }, signal);
  assert.equal(svid.id, web);
  assert.deepEqual(svid.trustBundle, world.identity.trustBundle);
  assert.ok(Math.abs(svid.notAfterMs - Date.now() - 3_600_000) < 5000);
  const net = await import('node:net');
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const served = Promise.withResolvers<unknown>();
  listener.on('connection', (raw) =>
    handshakes.serve(
      raw.on('error', () => {}),
      secureContextOf(svid),
      (outcome) => {
        served.resolve(outcome.kind === 'established' ? identifyPeer(outcome.peerCertificate) : outcome.error);
        if (outcome.kind === 'established') outcome.socket.on('error', () => {}).destroy();
      },
    ),
  );
  const address = listener.address();
  assert.ok(typeof address === 'object' && address !== null);
  const raw = net.connect(address.port, '127.0.0.1').on('error', () => {});
  handshakes.start(raw, secureContextOf({ ...svid }), (outcome) => {
    if (outcome.kind === 'established') outcome.socket.on('error', () => {}).resume();
  });
  assert.deepEqual(await served.promise, { kind: 'identified', id: web });
  listener.close();
});

test('a node certificate is not accepted by a workload, nor a workload certificate by the controller', async () => {
  await using world = await startWorld();
  const credentials = await world.join(await world.token('n1'));
  using client = createCaClient(accessOf(world, credentials));
  const svid = await requestSvid(client, { identity: web, validitySeconds: 3600 }, signal);
  const { client: nodeMaterial } = credentials.controller;
  const leaf = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(nodeMaterial.chainPem);
  assert.ok(leaf);
  const { X509Certificate } = await import('node:crypto');
  const nodeLeaf = new X509Certificate(leaf[0]);
  const root = new X509Certificate(world.identity.trustBundle.rootsPem[0] ?? '');
  const intermediate = new X509Certificate(
    svid.chainPem.slice(svid.chainPem.indexOf('-----END CERTIFICATE-----') + 25),
  );
  assert.deepEqual(
    [nodeLeaf.verify(root.publicKey), nodeLeaf.verify(intermediate.publicKey), identifyPeer(nodeLeaf.raw)],
    [false, false, { kind: 'refused', reason: 'not-a-spiffe-id' }],
  );
  const asWorkload: ControllerAccess = {
    ...accessOf(world, credentials),
    credentials: () => ({ rootsPem: credentials.controller.rootsPem, client: svid }),
  };
  using impostor = createCaClient(asWorkload);
  assert.equal(await failureOf(requestSvid(impostor, { identity: web, validitySeconds: 60 }, signal)), 'unavailable');
});

test('certificates are refused without a reason, and the log has the reason', async () => {
  await using world = await startWorld();
  const n1 = await world.join(await world.token('n1'));
  const n2 = await world.join(await world.token('n2'));
  const keyPair = createKeyPairSync();
  const ask = async (who: NodeCredentials | undefined, identity: string, csrPem: string): Promise<string> => {
    const anonymous = { rootsPem: n1.controller.rootsPem };
    const access = { ...accessOf(world, n1), credentials: () => who?.controller ?? anonymous };
    using client = createCaClient(access);
    // Whatever text the identity is: the server must decide.
    const request = { identity: identity as typeof web, csrPem, validitySeconds: 60 };
    return await failureOf(client.createCertificate(request, signal));
  };
  const csr = createCertificateRequest({ keyPair, uri: web });
  const other = testIdentity('shop', 'db');
  const foreign = testIdentity('shop', 'web', 'other.local');
  const failures = {
    granted: await ask(n1, web, csr),
    'pod runs elsewhere': await ask(n2, web, csr),
    'no such account': await ask(n1, other, createCertificateRequest({ keyPair, uri: other })),
    'other identity in the request': await ask(n1, web, createCertificateRequest({ keyPair, uri: other })),
    'no identity in the request': await ask(n1, web, createCertificateRequest({ keyPair })),
    'other trust domain': await ask(n1, foreign, createCertificateRequest({ keyPair, uri: foreign })),
    'no SPIFFE ID': await ask(n1, 'spiffe://x', csr),
    'garbage request': await ask(n1, web, 'garbage'),
    'large request': await ask(n1, web, csr + ' '.repeat(10_000)),
    'no certificate': await ask(undefined, web, csr),
  };
  assert.deepEqual(failures, {
    granted: 'none',
    'pod runs elsewhere': 'permission-denied',
    'no such account': 'permission-denied',
    'other identity in the request': 'permission-denied',
    'no identity in the request': 'permission-denied',
    'other trust domain': 'permission-denied',
    'no SPIFFE ID': 'permission-denied',
    'garbage request': 'permission-denied',
    'large request': 'permission-denied',
    'no certificate': 'unauthenticated',
  });
  assert.deepEqual(world.reasons, [
    'no-such-workload-on-node',
    'no-such-workload-on-node',
    'identity-differs-from-request',
    'identity-differs-from-request',
    'other-trust-domain',
    'not-a-spiffe-id',
    'not-pem',
    'request-too-large',
    'no-certificate',
  ]);
});

test('a join token works once, within its time, for its node, at its controller', async () => {
  await using world = await startWorld();
  const used = await world.token('n1');
  await world.join(used);
  const short = await world.token('n1', 1000);
  const forOther = await world.token('n2');
  const parsed = parseJoinToken(await world.token('n1'));
  assert.ok(parsed);
  await using elsewhere = await startWorld();
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const failures = {
    reused: await failureOf(world.join(used)),
    expired: await failureOf(world.join(short)),
    'node goes by another name': await failureOf(world.join(forOther, 'n3')),
    'name changed in the token': await failureOf(world.join(formatJoinToken({ ...parsed, node: 'n9' }))),
    'secret invented': await failureOf(world.join(formatJoinToken({ ...parsed, secret: '0'.repeat(64) }))),
    'other controller': await failureOf(world.join(await elsewhere.token('n1'))),
    'not a token': await failureOf(world.join('ambit-join-1.x')),
    // None of these attempts has spent it.
    'right name': await failureOf(world.join(forOther, 'n2')),
  };
  assert.deepEqual(failures, {
    reused: 'permission-denied',
    expired: 'permission-denied',
    'node goes by another name': 'permission-denied',
    'name changed in the token': 'permission-denied',
    'secret invented': 'permission-denied',
    'other controller': 'untrusted-controller',
    'not a token': 'invalid-argument',
    'right name': 'none',
  });
  assert.deepEqual(world.reasons, [
    'token-used',
    'token-expired',
    'token-for-other-node',
    'token-for-other-node',
    'unknown-token',
  ]);
});

test('of many nodes with one token a single one joins', async () => {
  await using world = await startWorld();
  const token = await world.token('n1');
  const outcomes = await Promise.all(Array.from({ length: 8 }, () => failureOf(world.join(token))));
  assert.deepEqual(outcomes.toSorted(), ['none', ...Array.from({ length: 7 }, () => 'permission-denied')]);
});

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

test('a revoked node is refused everything until it joins again with a later token', async () => {
  await using world = await startWorld();
  const { path } = world;
  const stateDirectory = join(path, 'controller');
  const [node, neighbour] = [await world.join(await world.token('n1')), await world.join(await world.token('n2'))];
  const unused = await world.token('n1');
  const heard = new Promise<string>((resolve) => {
    world.identity.onUnwanted((isUnwanted) =>
      resolve(['n1', 'n2'].filter((name) => isUnwanted({ node: name })).join(' ')),
    );
  });
  using client = createCaClient(accessOf(world, node));
  const ask = (): Promise<string> => failureOf(requestSvid(client, { identity: web, validitySeconds: 60 }, signal));
  const stream = async (who: NodeCredentials): Promise<string> => {
    const push = await createPushTransport(accessOf(world, who)).open(signal);
    const outcome = failureOf(push.responses[Symbol.asyncIterator]().next());
    const pause = new Promise<string>((resolve) => setTimeout(() => resolve('open'), 100));
    const result = await Promise.race([outcome, pause]);
    push.close();
    return result;
  };
  assert.deepEqual([await ask(), await stream(node)], ['none', 'open']);
  assert.deepEqual(await revokeNode({ stateDirectory, node: 'n1', clock: systemClock }), {
    certificates: 1,
    tokens: 1,
  });
  assert.equal(await heard, 'n1');
  const state = openPrivateDirectory(join(path, 'renewed'));
  assert.deepEqual(
    {
      certificate: await ask(),
      stream: await stream(node),
      renewal: await failureOf(renewNode(world.address, node, state, signal)),
      'earlier token': await failureOf(world.join(unused)),
      neighbour: await stream(neighbour),
    },
    {
      certificate: 'unauthenticated',
      stream: 'unauthenticated',
      renewal: 'permission-denied',
      'earlier token': 'permission-denied',
      neighbour: 'open',
    },
  );
  const back = await world.join(await world.token('n1'));
  assert.equal(await stream(back), 'open');
  assert.equal(await stream(node), 'unauthenticated');
});

test('a node certificate that expires during a connection is refused on it', async () => {
  await using world = await startWorld({ validity: { nodeMs: 1500 } });
  const node = await world.join(await world.token('n1'));
  using client = createCaClient(accessOf(world, node));
  const ask = (): Promise<string> => failureOf(requestSvid(client, { identity: web, validitySeconds: 60 }, signal));
  assert.equal(await ask(), 'none');
  await new Promise((resolve) => setTimeout(resolve, node.notAfterMs - Date.now() + 20));
  assert.equal(await ask(), 'unauthenticated');
  assert.deepEqual(world.reasons, ['certificate-expired']);
});

test('the validity is what was asked for, at most the limit and the end of the intermediate', async () => {
  const clock = new ManualClock(Date.now());
  await using world = await startWorld({ clock, validity: { intermediateMs: 100_000_000 } });
  const node = await world.join(await world.token('n1'));
  using client = createCaClient(accessOf(world, node));
  const lifeOf = async (validitySeconds: number): Promise<number> => {
    const svid = await requestSvid(client, { identity: web, validitySeconds }, signal);
    return Math.round((svid.notAfterMs - clock.now()) / 1000);
  };
  assert.deepEqual(
    [await lifeOf(60), await lifeOf(0), await lifeOf(1e9), await lifeOf(-5)],
    [60, 86_400, 86_400, 86_400],
  );
});

test('the state directory is private, survives a restart, and holds no token in the clear', async () => {
  const path = mkdtempSync(join(tmpdir(), 'ambit-state-'));
  try {
    const stateDirectory = join(path, 'state');
    const options = { stateDirectory, clock: systemClock };
    const [first, second] = await Promise.all([
      issueJoinToken({ ...options, node: 'n1' }),
      issueJoinToken({ ...options, node: 'n1' }),
    ]);
    const tokens = [parseJoinToken(first), parseJoinToken(second)];
    assert.equal(tokens[0]?.rootSha256, tokens[1]?.rootSha256);
    const files = readdirSync(stateDirectory, { recursive: true, withFileTypes: true });
    const modes = new Set<string>();
    for (const file of files) {
      const full = join(file.parentPath, file.name);
      modes.add(`${file.isDirectory() ? 'directory' : 'file'} ${(statSync(full).mode & 0o777).toString(8)}`);
      if (file.isFile()) {
        const text = file.name + readFileSync(full, 'utf8');
        for (const token of tokens) assert.equal(text.includes(token?.secret ?? 'missing'), false);
      }
    }
    assert.deepEqual([...modes].toSorted(), ['directory 700', 'file 600']);
    assert.equal(statSync(stateDirectory).mode & 0o777, 0o700);
    for (const [what, mode] of [
      ['root.secret.pem', 0o640],
      ['.', 0o750],
    ] as const) {
      chmodSync(join(stateDirectory, what), mode);
      await assert.rejects(issueJoinToken({ ...options, node: 'n1' }), { code: 'insecure-state' });
      chmodSync(join(stateDirectory, what), what === '.' ? 0o700 : 0o600);
    }
    const reason = { code: 'token-lifetime' };
    await assert.rejects(issueJoinToken({ ...options, node: 'n1', validityMs: 3_600_001 }), reason);
    await assert.rejects(issueJoinToken({ ...options, node: 'N 1' }), { code: 'bad-node-name' });
  } finally {
    rmSync(path, { recursive: true });
  }
});

test('the server certificate is replaced at half of its life, and agents follow', async () => {
  const clock = new ManualClock(Date.now() - 400_000);
  await using world = await startWorld({ clock, validity: { serverMs: 600_000 } });
  const node = await world.join(await world.token('n1'));
  const before = world.identity.serverTls.chainPem;
  let latest = before;
  world.identity.onServerTls((tls) => {
    latest = tls.chainPem;
  });
  for (let minute = 0; minute < 6; minute++) await clock.advance(60_000);
  assert.notEqual(latest, before);
  const nodes = createNodeIdentityClient(accessOf(world, node));
  const csrPem = createCertificateRequest({ keyPair: createKeyPairSync() });
  assert.match(await nodes.renew({ csrPem }, signal), /BEGIN CERTIFICATE/);
});
