import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import {
  type MeshViewUpdate,
  parseIpAddress,
  parsePort,
  parseSpiffeId,
  type Service,
  type WaypointRef,
  workloadIdentity,
} from '@ambit/mesh/model';
import { buildPolicy, buildService, buildWorkload, rootTestOptions } from '@ambit/mesh/testing';
import { type PodPlan, PodWorld, readAll, type TestPod, until } from './pod-world.ts';
import { renewCertificate, tellRevocations } from './revoked.ts';
import { startGateway } from './test-gateway.ts';

// Two networks on one link: what is in `east` is reached from `west` through the gateway alone.

const options = { ...rootTestOptions(), timeout: 30_000 };
const VIP = '10.77.96.1';
const HOSTNAME = 'web.shop.svc.cluster.local';
const refusal = { code: 'ECONNRESET' };

const gatewayRef: WaypointRef = {
  destination: { kind: 'address', network: 'east', ip: parseIpAddress('10.77.0.2') },
  hboneMtlsPort: parsePort(15_008),
};
const web: Service = buildService({
  addresses: [`west/${VIP}`, `east/${VIP}`],
  subjectAltNames: ['spiffe://cluster.local/ns/shop/sa/web'],
});
const backing = { services: { [web.key]: ['80:8080'] }, networkGateway: gatewayRef };
const PLANS: readonly PodPlan[] = [
  { name: 'client', network: 'west' },
  { name: 'gateway', network: 'east', captured: false, tunnelProtocol: 'hbone' },
  { name: 'web-1', network: 'east', serviceAccount: 'web', workloadName: 'web', ...backing },
  { name: 'web-2', network: 'east', serviceAccount: 'web', workloadName: 'web', ...backing },
  { name: 'other', network: 'east' },
];
const [NONSENSE, SILENCE] = ['10.77.0.2:9001', '10.77.0.2:9002'] as const;
const [FIRST, SECOND, OTHER] = ['10.77.0.3:15008', '10.77.0.4:15008', '10.77.0.5:15008'] as const;

function createWorld(mesh: MeshViewUpdate = {}, plans: readonly PodPlan[] = PLANS): Promise<PodWorld> {
  return PodWorld.create(plans, { mesh: { services: [web], ...mesh } });
}

/** Says who it is and what it heard. */
async function serve(pod: TestPod, peers: (string | undefined)[] = []): Promise<void> {
  await pod.serve(8080, (socket) => {
    peers.push(socket.remoteAddress);
    void readAll(socket).then(
      (text) => socket.end(`${pod.name} heard ${text}`),
      () => {},
    );
  });
}

function refusals(world: PodWorld, pod: string): Record<string, number> {
  const { metrics } = world.nodeOf(pod);
  return Object.fromEntries(metrics.call(world.nodeOf(pod)).refusals.map(([, reason, count]) => [reason, count]));
}

describe('a service of another network', () => {
  test('is reached through the gateway, end to end as the pods themselves', options, async () => {
    await using world = await createWorld();
    await using gateway = await startGateway(world, 'gateway', () => FIRST);
    const peers: (string | undefined)[] = [];
    await serve(world.pod('web-1'), peers);
    assert.equal(await world.pod('client').exchange(`${VIP}:80`, 'hello'), 'web-1 heard hello');
    const client = workloadIdentity(world.pod('client').workload);
    assert.deepEqual(gateway.asked, [{ authority: `${HOSTNAME}:80`, peer: client, network: undefined }]);
    assert.deepEqual(peers, ['::ffff:10.77.0.2']);
    await until(() => world.nodeOf('client').lines.length === 1 && world.nodeOf('web-1').lines.length === 1);
    const [outbound] = world.nodeOf('client').records('outbound');
    const [inbound] = world.nodeOf('web-1').records('inbound');
    const told = (record: ReadonlyMap<string, string> | undefined): unknown =>
      ['message', 'src.workload', 'src.identity', 'dst.workload', 'dst.identity', 'dst.addr', 'dst.hbone_addr'].map(
        (key) => record?.get(key),
      );
    const both = ['connection complete', 'client', client, 'web', 'spiffe://cluster.local/ns/shop/sa/web'];
    assert.deepEqual(told(outbound), [...both, '10.77.0.2:15008', `${HOSTNAME}:80`]);
    assert.deepEqual(told(inbound), [...both, '10.77.0.3:15008', `${HOSTNAME}:80`]);
    assert.deepEqual([outbound?.get('bytes_recv'), outbound?.get('bytes_sent')], ['5', '17']);
    assert.equal(inbound?.get('dst.service'), HOSTNAME);
  });

  test('shares the tunnel to the gateway and nothing within it', options, async () => {
    await using world = await createWorld();
    await using gateway = await startGateway(world, 'gateway', (_, turn) => (turn % 2 === 0 ? FIRST : SECOND));
    await serve(world.pod('web-1'));
    await serve(world.pod('web-2'));
    const heard: string[] = [];
    for (let i = 0; i < 4; i++) heard.push(await world.pod('client').exchange(`${VIP}:80`, String(i)));
    assert.deepEqual(heard, ['web-1 heard 0', 'web-2 heard 1', 'web-1 heard 2', 'web-2 heard 3']);
    assert.deepEqual([gateway.connectionCount, gateway.asked.length], [1, 4]);
  });

  test('gets eight megabytes both ways at once, and each direction ends on its own', options, async () => {
    await using world = await createWorld();
    await using _gateway = await startGateway(world, 'gateway', () => FIRST);
    const payload = Buffer.alloc(8 * 1024 * 1024);
    for (let i = 0; i < payload.length; i += 4) payload.writeUInt32LE((i * 2_654_435_761) >>> 0, i);
    const digestOf = async (socket: Socket): Promise<string> => {
      const hash = createHash('sha256');
      for await (const chunk of socket) hash.update(chunk as Buffer); // A socket without encoding gives buffers.
      return hash.digest('hex');
    };
    const received = Promise.withResolvers<string>();
    await world.pod('web-1').serve(8080, (socket) => {
      socket.end(payload);
      digestOf(socket).then(received.resolve, received.reject);
    });
    const socket = world.pod('client').dial(`${VIP}:80`);
    const answer = await digestOf(socket);
    socket.end(payload);
    const digest = createHash('sha256').update(payload).digest('hex');
    assert.deepEqual([answer, await received.promise], [digest, digest]);
  });

  test('is refused by its own policy, which sees the caller and not the gateway', options, async () => {
    const open = buildPolicy({ name: 'only-clients', match: [{ principals: ['cluster.local/ns/shop/sa/client'] }] });
    const closed = buildPolicy({
      name: 'no-clients',
      action: 'deny',
      match: [{ principals: ['cluster.local/ns/shop/sa/client'] }],
    });
    await using world = await createWorld({ policies: [open] });
    await using _gateway = await startGateway(world, 'gateway', () => FIRST);
    await serve(world.pod('web-1'));
    assert.equal(await world.pod('client').exchange(`${VIP}:80`, 'x'), 'web-1 heard x');
    world.update({ policies: [closed] });
    await assert.rejects(world.pod('client').exchange(`${VIP}:80`, 'x'), refusal);
    assert.equal(refusals(world, 'client')['tunnel-refused-status'], 1);
    assert.equal(refusals(world, 'web-1')['deny-policy-matched'], 1);
  });

  test('is nobody else, wherever the gateway leads', options, async () => {
    await using world = await createWorld();
    await using _gateway = await startGateway(world, 'gateway', () => OTHER);
    let heard = 0;
    await world.pod('other').serve(8080, () => heard++);
    await assert.rejects(world.pod('client').exchange(`${VIP}:80`, 'secret'), refusal);
    assert.deepEqual([refusals(world, 'client')['tunnel-identity'], heard], [1, 0]);
  });

  test('is not asked for at a gateway that is somebody else', options, async () => {
    await using world = await createWorld();
    const impostor = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/impostor');
    await using gateway = await startGateway(world, 'gateway', () => FIRST, impostor);
    await assert.rejects(world.pod('client').exchange(`${VIP}:80`, 'secret'), refusal);
    assert.deepEqual([refusals(world, 'client')['tunnel-identity'], gateway.asked], [1, []]);
  });

  test('is refused when what is behind the gateway talks nonsense, or says nothing', options, async () => {
    await using world = await createWorld();
    await using _gateway = await startGateway(world, 'gateway', (_, turn) => (turn === 0 ? NONSENSE : SILENCE));
    await world.pod('gateway').serve(9001, (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await world.pod('gateway').serve(9002, (socket) => void socket.resume());
    await assert.rejects(world.pod('client').exchange(`${VIP}:80`, 'x'), refusal);
    assert.equal(refusals(world, 'client')['tunnel-tls'], 1);
    await assert.rejects(world.pod('client').exchange(`${VIP}:80`, 'x'), refusal);
    assert.equal(refusals(world, 'client')['tunnel-timeout'], 1);
    // The gateway is told that nobody waits any more.
    await until(() => world.nodeOf('client').metrics().open.source === 0);
  });

  for (const [revoked, at, direction] of [
    ['web-1', 'client', 'outbound'],
    ['client', 'web-1', 'inbound'],
  ] as const) {
    test(
      `is cut at ${at} when the certificate of ${revoked} is revoked, and the tunnel to the gateway stays`,
      options,
      async () => {
        await using world = await createWorld();
        await using gateway = await startGateway(world, 'gateway', () => FIRST);
        await world.pod('web-1').serve(8080, (socket) => void socket.on('data', (bytes) => socket.write(bytes)));
        const certificate = renewCertificate(world, revoked);
        const open = async (): Promise<Socket> => {
          const socket = world.pod('client').dial(`${VIP}:80`);
          socket.write('x');
          await once(socket, 'data', { signal: AbortSignal.timeout(10_000) });
          return socket;
        };
        const held = await open();
        const broken = new Promise((resolve) => held.once('error', resolve));
        tellRevocations(world, at, world.ca.revocationList([certificate]));
        assert.equal(((await broken) as NodeJS.ErrnoException).code, refusal.code);
        await assert.rejects(world.pod('client').exchange(`${VIP}:80`, 'x'), refusal);
        await until(() => world.nodeOf(at).records(direction).length === 2);
        assert.deepEqual(
          world
            .nodeOf(at)
            .records(direction)
            .map((record) => record.get('error')),
          Array.from({ length: 2 }, () => 'the certificate of the tunnel peer is revoked'),
        );
        assert.equal(gateway.connectionCount, 1, 'the gateway is not who was revoked');
        renewCertificate(world, revoked);
        (await open()).destroy();
      },
    );
  }

  test('is refused when the gateway finds nobody', options, async () => {
    await using world = await createWorld();
    await using _gateway = await startGateway(world, 'gateway', () => null);
    await assert.rejects(world.pod('client').exchange(`${VIP}:80`, 'x'), refusal);
    assert.equal(refusals(world, 'client')['tunnel-refused-status'], 1);
  });

  test('ends with the gateway', options, async () => {
    await using world = await createWorld();
    const gateway = await startGateway(world, 'gateway', () => FIRST);
    await world.pod('web-1').serve(8080, (socket) => void socket.write('hello'));
    const socket = world.pod('client').dial(`${VIP}:80`);
    await new Promise((resolve) => socket.once('data', resolve));
    await gateway[Symbol.asyncDispose]();
    await assert.rejects(readAll(socket), refusal);
    await until(() => world.nodeOf('client').lines.length === 1);
    assert.equal(world.nodeOf('client').metrics().open.source, 0);
  });

  test(
    'is refused in words when no gateway is known, when it is not there, and when the service names nobody',
    options,
    async () => {
      await using world = await createWorld(
        {},
        PLANS.filter(({ name }) => name === 'client'),
      );
      const known = buildWorkload({
        ...{ name: 'far', addresses: [], network: 'east' },
        services: backing.services,
      });
      const attempts: readonly (readonly [MeshViewUpdate, string])[] = [
        [{ workloads: [known] }, 'no-network-gateway'],
        [{ workloads: [{ ...known, networkGateway: gatewayRef }] }, 'network-gateway-missing'],
        [{ services: [{ ...web, subjectAltNames: [] }] }, 'no-remote-identity'],
      ];
      for (const [update, reason] of attempts) {
        world.update(update);
        await assert.rejects(world.pod('client').exchange(`${VIP}:80`, 'x'), refusal);
        assert.equal(refusals(world, 'client')[reason], 1, reason);
      }
    },
  );
});

test(
  'who comes from another network is not taken for who has the same address here, and policy sees the gateway',
  options,
  async () => {
    const front = buildService({ name: 'gw', addresses: [], ports: ['15008'] });
    const networkGateway: WaypointRef = {
      destination: { kind: 'hostname', hostname: front },
      hboneMtlsPort: parsePort(15_008),
    };
    const plans = PLANS.map((plan) => {
      if (plan.name === 'gateway') return { ...plan, services: { [front.key]: ['15008'] } };
      return plan.name === 'web-1' ? { ...plan, networkGateway } : plan;
    });
    // Of the very identity of the client, at the very address that the connection comes from.
    const twin = buildWorkload({ name: 'twin', serviceAccount: 'client', network: 'east', addresses: ['10.77.0.2'] });
    const mesh = {
      services: [web, front],
      policies: [buildPolicy({ name: 'ip', match: [{ sourceIps: ['10.77.0.2/32'] }] })],
    };
    await using world = await createWorld(
      mesh,
      plans.filter(({ name }) => name !== 'web-2'),
    );
    world.update({ workloads: [twin] });
    await using _gateway = await startGateway(world, 'gateway', () => FIRST);
    await serve(world.pod('web-1'));
    assert.equal(await world.pod('client').exchange(`${VIP}:80`, 'x'), 'web-1 heard x');
    await until(() => world.nodeOf('web-1').lines.length === 1);
    assert.equal(world.nodeOf('web-1').records('inbound')[0]?.get('src.workload'), 'client');
    world.update({ policies: [buildPolicy({ name: 'ip', match: [{ sourceIps: ['10.77.0.1/32'] }] })] });
    await assert.rejects(world.pod('client').exchange(`${VIP}:80`, 'x'), refusal);
    assert.equal(refusals(world, 'web-1')['no-allow-policy-matched'], 1);
  },
);

describe('destinations by other than address', () => {
  test('a block of a service leads to an endpoint, and a pod within it is itself', options, async () => {
    const block = buildService({ name: 'block', addresses: ['10.77.0.0/16', '203.0.113.0/24'], ports: ['80:8080'] });
    await using world = await PodWorld.create(
      [{ name: 'client' }, { name: 'web', services: { [block.key]: ['80:8080'] } }, { name: 'pod' }],
      { mesh: { services: [block] } },
    );
    await serve(world.pod('web'));
    await serve(world.pod('pod'));
    assert.equal(await world.pod('client').exchange('203.0.113.77:80', 'x'), 'web heard x');
    assert.equal(await world.pod('client').exchange('10.77.9.9:80', 'x'), 'web heard x');
    assert.equal(await world.pod('client').exchange('10.77.0.3:8080', 'x'), 'pod heard x');
    await assert.rejects(world.pod('client').exchange('203.0.113.77:81', 'x'), refusal);
    assert.equal(refusals(world, 'client')['no-service-port'], 1);
  });

  test('pods of a headless service are reached by their own addresses', options, async () => {
    const headless = buildService({ addresses: [] });
    const services = { [headless.key]: ['80:8080'] };
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'a', services }, { name: 'b', services }], {
      mesh: { services: [headless] },
    });
    await serve(world.pod('a'));
    await serve(world.pod('b'));
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'x'), 'a heard x');
    assert.equal(await world.pod('client').exchange('10.77.0.3:8080', 'x'), 'b heard x');
    await until(() => world.nodeOf('b').lines.length === 1);
    assert.equal(world.nodeOf('b').records('inbound')[0]?.get('dst.service'), HOSTNAME);
  });

  test('a workload known by name alone is looked up once, and refused when it has no address', options, async () => {
    const external = buildService({ name: 'external' });
    const named = buildWorkload({
      ...{ name: 'named', addresses: [], hostname: 'db.example', tunnelProtocol: 'none' },
      services: { [external.key]: ['80:8080'] },
    });
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'db', captured: false }], {
      mesh: { services: [external], workloads: [named] },
    });
    await serve(world.pod('db'));
    const node = world.nodeOf('client');
    node.names.set('db.example', ['127.0.0.1', '10.77.0.2']);
    for (let i = 0; i < 2; i++) assert.equal(await world.pod('client').exchange('10.96.0.1:80', 'x'), 'db heard x');
    assert.deepEqual([node.asked, node.metrics().nameLookups], [['db.example'], 1]);
    world.update({ workloads: [{ ...named, hostname: 'nobody.example' }] });
    await assert.rejects(world.pod('client').exchange('10.96.0.1:80', 'x'), refusal);
    assert.equal(refusals(world, 'client')['name-not-resolved'], 1);
  });

  test('of two endpoints the one with fewer open connections gets the next', options, async () => {
    const service = buildService();
    const services = { [service.key]: ['80:8080'] };
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'a', services }, { name: 'b', services }], {
      mesh: { services: [service] },
    });
    const counts = { a: 0, b: 0 };
    for (const name of ['a', 'b'] as const) {
      await world.pod(name).serve(8080, (socket) => {
        counts[name]++;
        socket.write('open');
      });
    }
    for (let i = 0; i < 20; i++) {
      const socket = world.pod('client').dial('10.96.0.1:80');
      await new Promise((resolve) => socket.once('data', resolve));
    }
    assert.deepEqual(counts, { a: 10, b: 10 });
  });
});
