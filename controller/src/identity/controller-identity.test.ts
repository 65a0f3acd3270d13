import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  createCaClient,
  createNodeIdentityClient,
  createPushTransport,
  type ControllerAccess,
  type NodeCredentials,
  renewNode,
  requestSvid,
} from '@ambit/mesh/grpc';
import { systemClock } from '@ambit/mesh/runtime';
import { failureOf, ManualClock, testIdentity } from '@ambit/mesh/testing';
import {
  createCertificateRequest,
  createKeyPairSync,
  handshakes,
  identifyPeer,
  openPrivateDirectory,
  secureContextOf,
} from '@ambit/mesh/tls';
import { accessOf, signal, startWorld, web } from '../../test/identity-world.ts';
import { revokeNode } from './operator-commands.ts';

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
