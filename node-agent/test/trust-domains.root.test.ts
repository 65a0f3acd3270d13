import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type AccessPolicy,
  createTrustDomains,
  DEFAULT_TRUST_DOMAIN,
  parseTrustDomain,
  workloadIdentity,
} from '@ambit/mesh/model';
import { buildPolicy, rootTestOptions, testIdentity } from '@ambit/mesh/testing';
import { PodWorld, readAll, until } from './pod-world.ts';

const options = { ...rootTestOptions(), timeout: 30_000 };
const refusal = { code: 'ECONNRESET' };
const settings = { trustDomains: createTrustDomains(DEFAULT_TRUST_DOMAIN, [parseTrustDomain('old.local')]) };

async function world(policies: readonly AccessPolicy[] = [], aliased = true): Promise<PodWorld> {
  const pods = await PodWorld.create([{ name: 'client' }, { name: 'server' }], {
    mesh: { policies },
    ...(aliased ? { settings } : {}),
  });
  await pods.pod('server').serve(8080, (socket) => {
    void readAll(socket).then((text) => socket.end(`echo ${text}`));
  });
  return pods;
}

/** The pod's certificate says the same account of another trust domain from now on, or another account. */
function certify(pods: PodWorld, name: string, domain: string, account = name): void {
  const identity = workloadIdentity(pods.pod(name).workload);
  pods.nodeOf(name).plane['set-svid']({ identity, svid: pods.ca.issue(testIdentity('shop', account, domain)) });
}

const call = (pods: PodWorld): Promise<string> => pods.pod('client').exchange('10.77.0.2:8080', 'x');

describe('an alias of the trust domain', () => {
  test('is accepted on both sides, and seen under its own name', options, async () => {
    await using pods = await world();
    certify(pods, 'client', 'old.local');
    certify(pods, 'server', 'old.local');
    assert.equal(await call(pods), 'echo x');
    await until(() => pods.nodeOf('server').lines.length === 1 && pods.nodeOf('client').lines.length === 1);
    const [inbound] = pods.nodeOf('server').records('inbound');
    const [outbound] = pods.nodeOf('client').records('outbound');
    assert.deepEqual(
      [inbound?.get('src.identity'), inbound?.get('src.workload'), outbound?.get('dst.identity')],
      [testIdentity('shop', 'client', 'old.local'), 'client', testIdentity('shop', 'server', 'old.local')],
    );
  });

  test('is the same account to policies, whichever of the names they say', options, async () => {
    const only = (principal: string): AccessPolicy =>
      buildPolicy({ name: 'only', match: [{ principals: [principal] }] });
    await using pods = await world([only('cluster.local/ns/shop/sa/client')]);
    certify(pods, 'client', 'old.local');
    assert.equal(await call(pods), 'echo x');
    certify(pods, 'client', 'cluster.local');
    pods.update({ policies: [only('old.local/ns/shop/sa/*')] });
    assert.equal(await call(pods), 'echo x');
    pods.update({ policies: [only('other.local/ns/shop/sa/client')] });
    await assert.rejects(call(pods), refusal);
    const not = buildPolicy({
      name: 'only',
      action: 'deny',
      match: [{ notPrincipals: ['old.local/ns/shop/sa/client'] }],
    });
    pods.update({ policies: [not] });
    assert.equal(await call(pods), 'echo x');
  });

  test('is no other account', options, async () => {
    await using pods = await world();
    certify(pods, 'server', 'old.local', 'somebody-else');
    await assert.rejects(call(pods), refusal);
    assert.deepEqual(pods.nodeOf('client').metrics().refusals, [['outbound', 'tunnel-identity', 1]]);
  });
});

describe('another trust domain', () => {
  for (const [what, domain, aliased] of [
    ['that is no alias', 'cluster.local.example', true],
    ['where there are no aliases', 'old.local', false],
  ] as const) {
    test(`is refused as client and as server, ${what}`, options, async () => {
      await using pods = await world([], aliased);
      certify(pods, 'client', domain);
      await assert.rejects(call(pods), refusal);
      const server = pods.nodeOf('server');
      await until(() => server.lines.length === 1);
      assert.match(
        server.records('inbound')[0]?.get('error') ?? '',
        /another identity than expected: other-trust-domain$/,
      );
      certify(pods, 'client', 'cluster.local');
      assert.equal(await call(pods), 'echo x');
      certify(pods, 'server', domain);
      // The tunnel that stands was opened to a server that was right.
      pods.nodeOf('client').plane['set-svid']({
        identity: workloadIdentity(pods.pod('client').workload),
        svid: pods.ca.issue(testIdentity('shop', 'client')),
      });
      await assert.rejects(call(pods), refusal);
      await until(() => pods.nodeOf('client').lines.length === 3);
      assert.match(
        pods.nodeOf('client').records('outbound')[2]?.get('error') ?? '',
        /another identity than expected: unexpected-identity$/,
      );
    });
  }
});
