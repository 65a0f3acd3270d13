import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HboneError } from '@ambit/mesh/hbone';
import { type AccessPolicy, workloadIdentity } from '@ambit/mesh/model';
import { buildPolicy, createTestCa, rootTestOptions, type TestCa } from '@ambit/mesh/testing';
import { type PodPlan, PodWorld, readAll, until } from './pod-world.ts';
import { openSession } from './tunnel-session.ts';

const options = { ...rootTestOptions(), timeout: 30_000 };

async function twoPods(
  more: { readonly server?: Partial<PodPlan>; readonly policies?: readonly AccessPolicy[] } = {},
): Promise<PodWorld> {
  const world = await PodWorld.create([{ name: 'client' }, { name: 'server', ...more.server }], {
    mesh: { policies: more.policies ?? [] },
  });
  await world.pod('server').serve(8080, (socket) => {
    readAll(socket).then(
      (text) => socket.end(`echo ${text}`),
      () => {},
    );
  });
  return world;
}

const refusal = { code: 'ECONNRESET' };

describe('policy at the destination', () => {
  const denyClient = buildPolicy({ name: 'deny', action: 'deny', match: [{ serviceAccounts: ['shop/client'] }] });

  test('refuses with 401, and only our own logs say why', options, async () => {
    await using world = await twoPods({ policies: [denyClient] });
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), refusal);
    const [client, server] = [world.nodeOf('client'), world.nodeOf('server')];
    await until(() => client.lines.length === 1 && server.lines.length === 1);
    assert.match(client.records('outbound')[0]?.get('error') ?? '', /refused the request: status 401$/);
    const [record] = server.records('inbound');
    assert.deepEqual(
      ['message', 'level', 'src.identity', 'error'].map((key) => record?.get(key)),
      ['connection failed', 'warn', 'spiffe://cluster.local/ns/shop/sa/client', 'a DENY policy matched: shop/deny'],
    );
    assert.deepEqual(server.metrics().refusals, [['inbound', 'deny-policy-matched', 1]]);
  });

  test('in dry run only counts', options, async () => {
    await using world = await twoPods({ policies: [{ ...denyClient, dryRun: true }] });
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'x'), 'echo x');
    assert.deepEqual(world.nodeOf('server').metrics().dryRun, [['deny', 1]]);
  });

  test('that has not arrived refuses, and admits once it is there', options, async () => {
    await using world = await twoPods({ server: { policies: ['shop/late'] } });
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), refusal);
    assert.deepEqual(world.nodeOf('server').metrics().refusals, [['inbound', 'policy-not-received', 1]]);
    world.update({
      policies: [
        buildPolicy({ name: 'late', scope: 'workload', match: [{ principals: ['cluster.local/ns/shop/sa/client'] }] }),
      ],
    });
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'x'), 'echo x');
  });

  test(
    'by source address tells two pods of one service account apart, and each is seen as itself',
    options,
    async () => {
      const policies = [buildPolicy({ name: 'one', match: [{ sourceIps: ['10.77.0.1'] }] })];
      await using world = await PodWorld.create(
        [
          { name: 'client', onNode: 'one' },
          { name: 'twin', onNode: 'one', serviceAccount: 'client' },
          { name: 'server' },
        ],
        { mesh: { policies: [] } },
      );
      const peers: string[] = [];
      await world.pod('server').serve(8080, (socket) => {
        peers.push(socket.remoteAddress ?? '');
        void readAll(socket).then(() => socket.end('ok'));
      });
      for (const name of ['client', 'twin']) assert.equal(await world.pod(name).exchange('10.77.0.3:8080', 'x'), 'ok');
      assert.deepEqual(peers, ['::ffff:10.77.0.1', '::ffff:10.77.0.2']);
      world.update({ policies });
      assert.equal(await world.pod('client').exchange('10.77.0.3:8080', 'x'), 'ok');
      await assert.rejects(world.pod('twin').exchange('10.77.0.3:8080', 'x'), refusal);
      assert.equal(peers.length, 3);
    },
  );
});

describe('plaintext to an enrolled pod', () => {
  const strict = buildPolicy({ name: 'strict', action: 'deny', match: [{ notPrincipals: ['*'] }] });
  const outsider: PodPlan = { name: 'outsider', captured: false };

  test('reaches the application with its source address while nothing forbids it', options, async () => {
    await using world = await PodWorld.create([outsider, { name: 'server' }]);
    const peers: (string | undefined)[] = [];
    await world.pod('server').serve(8080, (socket) => {
      peers.push(socket.remoteAddress);
      void readAll(socket).then((text) => socket.end(`plain ${text}`));
    });
    assert.equal(await world.pod('outsider').exchange('10.77.0.2:8080', 'x'), 'plain x');
    assert.deepEqual(peers, ['::ffff:10.77.0.1']);
    await until(() => world.nodeOf('server').lines.length === 1);
    const [record] = world.nodeOf('server').records('inbound');
    assert.deepEqual(
      ['src.identity', 'src.workload', 'dst.addr', 'dst.identity', 'error'].map((key) => record?.get(key)),
      [undefined, 'outsider', '10.77.0.2:8080', undefined, undefined],
    );
  });

  test('is refused by strict mutual TLS', options, async () => {
    await using world = await PodWorld.create([outsider, { name: 'server' }, { name: 'client' }], {
      mesh: { policies: [strict] },
    });
    await world.pod('server').serve(8080, (socket) => socket.end('ok'));
    await assert.rejects(world.pod('outsider').exchange('10.77.0.2:8080', 'x'), refusal);
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'x'), 'ok');
    assert.deepEqual(world.nodeOf('server').metrics().refusals, [['inbound', 'deny-policy-matched', 1]]);
  });

  test("to the agent's own ports is refused", options, async () => {
    await using world = await PodWorld.create([outsider, { name: 'server' }]);
    for (const port of [15001, 15006])
      await assert.rejects(world.pod('outsider').exchange(`10.77.0.2:${port}`, 'x'), refusal);
    assert.deepEqual(world.nodeOf('server').metrics().refusals, [['inbound', 'illegal-port', 2]]);
  });
});

describe('a tunnel request', () => {
  async function openTunnelTo(
    world: PodWorld,
    authority: string,
    as = 'client',
    ca: TestCa = world.ca,
  ): Promise<number> {
    const identity = workloadIdentity(world.pod(as).workload);
    const session = await openSession(world, 'client', ca.issue(identity));
    try {
      const { stream } = await session.openTunnel({ authority, headers: [] });
      stream.reset();
      return 200;
    } catch (error) {
      if (error instanceof HboneError && error.code === 'refused-status') return Number(error.data['status']);
      throw error;
    } finally {
      session.destroy(new HboneError('closed'));
    }
  }

  test(
    'for another address is 400, for an own port or an unknown host name 503, for a closed port 503',
    options,
    async () => {
      await using world = await twoPods();
      const authorities = [
        '10.77.0.2:8080',
        '10.77.0.1:8080',
        'x',
        '10.77.0.2:15008',
        '10.77.0.2:15001',
        'nobody.example:80',
        '10.77.0.2:9',
      ];
      const statuses: number[] = [];
      for (const authority of authorities) statuses.push(await openTunnelTo(world, authority));
      assert.deepEqual(statuses, [200, 400, 400, 503, 503, 503, 503]);
      const { refusals } = world.nodeOf('server').metrics();
      assert.deepEqual(Object.fromEntries(refusals.map(([, reason, count]) => [reason, count])), {
        'authority-mismatch': 1,
        'bad-authority': 1,
        'destination-connect': 1,
        'illegal-port': 2,
        'unknown-hostname': 1,
      });
    },
  );

  test('by a peer of another trust root or trust domain does not get past the handshake', options, async () => {
    await using world = await twoPods();
    await assert.rejects(openTunnelTo(world, '10.77.0.2:8080', 'client', createTestCa()));
    const stranger = { ...world.ca, issue: () => world.ca.issue('spiffe://other.example/ns/shop/sa/client') };
    await assert.rejects(openTunnelTo(world, '10.77.0.2:8080', 'client', stranger));
    const server = world.nodeOf('server');
    await until(() => server.lines.length === 2);
    assert.deepEqual(
      server.records('inbound').map((record) => record.get('message')),
      ['connection failed', 'connection failed'],
    );
    assert.deepEqual(
      server
        .metrics()
        .refusals.map(([, reason]) => reason)
        .sort(),
      ['tunnel-identity', 'tunnel-tls'],
    );
  });

  test('to a server that is not who it must be is not made', options, async () => {
    await using world = await twoPods();
    const server = world.pod('server').workload;
    world.nodeOf('client').update({ workloads: [{ ...server, serviceAccount: 'somebody-else' }] });
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), refusal);
    assert.deepEqual(world.nodeOf('client').metrics().refusals, [['outbound', 'tunnel-identity', 1]]);
  });
});
