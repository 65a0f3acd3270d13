import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { silentLogger } from '../runtime/logger.ts';
import { failureOf } from '../testing/grpc-failure.ts';
import { accessTo, ca, node, startServer } from '../testing/grpc-world.ts';
import { until } from '../testing/until.ts';
import { identifyPeer } from '../tls/peer-identity.ts';
import { createCaClient, requestSvid } from './ca-client.ts';
import { GrpcError } from './errors.ts';
import { createNodeIdentityClient } from './node-identity-client.ts';
import type { CertificateRequest, GrpcServices } from './services.ts';

const signal = new AbortController().signal;

test('a CA client sends identity, request and validity, and takes the chain apart', async () => {
  const asked: CertificateRequest[] = [];
  await using server = await startServer({
    certificates: {
      createCertificate: async (read) => {
        asked.push(await read('n1'));
        return ['leaf', 'intermediate\n', 'roots'];
      },
    },
  });
  using client = createCaClient(accessTo(server));
  const issued = await client.createCertificate({ identity: node, csrPem: 'csr', validitySeconds: 86_400 }, signal);
  assert.deepEqual(issued, { chainPem: 'leaf\nintermediate\n', rootsPem: 'roots' });
  assert.deepEqual(asked, [{ csrPem: 'csr', validitySeconds: 86_400, impersonatedIdentity: node }]);
});

test('requestSvid() gives an SVID, or says what is wrong with the answer', async () => {
  const answers: Record<string, (csrPem: string) => readonly string[]> = {
    'one element': () => ['leaf'],
    garbage: () => ['leaf', 'roots'],
    'other key': () => [ca.issueCertificate({ altNames: [{ kind: 'uri', value: node }] }).chainPem, ca.rootPem],
  };
  const failures: Record<string, string> = {};
  for (const [what, answer] of Object.entries(answers)) {
    await using server = await startServer({
      certificates: { createCertificate: async (read) => answer((await read('n1')).csrPem) },
    });
    using client = createCaClient(accessTo(server));
    failures[what] = await failureOf(requestSvid(client, { identity: node, validitySeconds: 60 }, signal));
  }
  assert.deepEqual(failures, {
    'one element': 'malformed-response',
    garbage: 'malformed-response',
    'other key': 'malformed-response',
  });
});

test('a call that is aborted, refused or not served says so', async () => {
  const started = Promise.withResolvers<AbortSignal>();
  await using server = await startServer({
    certificates: {
      createCertificate: async (read, _peer, gone) => {
        if ((await read('n1')).csrPem === 'refuse') throw new GrpcError('unauthenticated');
        started.resolve(gone);
        return once(gone, 'abort').then(() => []);
      },
    },
  });
  using client = createCaClient(accessTo(server));
  const ask = (csrPem: string, until: AbortSignal): Promise<unknown> =>
    client.createCertificate({ identity: node, csrPem, validitySeconds: 1 }, until);
  assert.equal(await failureOf(ask('refuse', signal)), 'unauthenticated');
  const abort = new AbortController();
  const pending = ask('wait', abort.signal);
  const gone = await started.promise;
  abort.abort(new Error('enough'));
  await assert.rejects(pending, /enough/);
  if (!gone.aborted) await once(gone, 'abort');
  const nodes = createNodeIdentityClient(accessTo(server));
  assert.equal(await failureOf(nodes.join({ token: 't', csrPem: 'c' }, signal)), 'unimplemented');
});

test('a CA client works again soon after the controller came back', async () => {
  const services: GrpcServices = { certificates: { createCertificate: async () => ['leaf', 'roots'] } };
  const first = await startServer(services);
  using client = createCaClient(accessTo(first));
  const ask = (): Promise<string> =>
    failureOf(client.createCertificate({ identity: node, csrPem: 'csr', validitySeconds: 1 }, signal));
  assert.equal(await ask(), 'none');
  await first[Symbol.asyncDispose]();
  for (let attempt = 0; attempt < 5; attempt++) assert.equal(await ask(), 'unavailable');
  await using second = await startServer(services, silentLogger, 100, first.port);
  assert.equal(second.port, first.port);
  await until('a call succeeds', async () => (await ask()) === 'none', 5000);
});

test('a node identity client joins and renews', async () => {
  const asked: unknown[] = [];
  await using server = await startServer({
    nodes: {
      join: async (each, peer) => {
        asked.push(each, peer.certificate === undefined);
        return ['leaf', 'ca'];
      },
      renew: async (read, peer) => {
        asked.push(await read('n1'), identifyPeer(peer.certificate));
        return ['leaf2', 'ca'];
      },
    },
  });
  const anonymous = { rootsPem: ca.rootPem };
  const chains = [
    await createNodeIdentityClient(accessTo(server, { credentials: () => anonymous })).join(
      { token: 't', csrPem: 'c' },
      signal,
    ),
    await createNodeIdentityClient(accessTo(server)).renew({ csrPem: 'd' }, signal),
  ];
  assert.deepEqual(chains, ['leaf\nca', 'leaf2\nca']);
  assert.deepEqual(asked, [{ token: 't', csrPem: 'c' }, true, { csrPem: 'd' }, { kind: 'identified', id: node }]);
});
