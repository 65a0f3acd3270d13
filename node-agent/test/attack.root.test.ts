import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { HANDSHAKE_LIMITS, HboneError, type HboneSession } from '@ambit/mesh/hbone';
import { workloadIdentity } from '@ambit/mesh/model';
import { buildPolicy, buildService, rootTestOptions } from '@ambit/mesh/testing';
import { type PodPlan, PodWorld, until } from './pod-world.ts';
import { openSession } from './tunnel-session.ts';

const options = { ...rootTestOptions(), timeout: 30_000 };
const refusal = { code: 'ECONNRESET' };
const OUTSIDER: PodPlan = { name: 'outsider', captured: false };

/** 200, another status, or the code of the error that ended the attempt. */
async function ask(session: HboneSession<null>, authority: string): Promise<number | string> {
  try {
    const { stream } = await session.openTunnel({ authority, headers: [] });
    stream.reset();
    return 200;
  } catch (error) {
    if (!(error instanceof HboneError)) throw error;
    return error.code === 'refused-status' ? Number(error.data['status']) : error.code;
  }
}

function refusals(world: PodWorld, pod: string): Record<string, number> {
  return Object.fromEntries(
    world
      .nodeOf(pod)
      .metrics()
      .refusals.map(([, reason, count]) => [reason, count]),
  );
}

describe('a hostile application in a captured pod', () => {
  test("gets nowhere at the agents' own ports of another pod, whatever it dials", options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
    const loopback = [15001, 15006, 15008].flatMap((port) => [
      `127.0.0.1:${port}`,
      `[::1]:${port}`,
      `10.77.0.1:${port}`,
    ]);
    for (const address of ['10.77.0.2:15008', '10.77.0.2:15006', '10.77.0.2:15001', ...loopback]) {
      // What says no word of TLS to port 15008 is hung up on in order.
      const answer = await world
        .pod('client')
        .exchange(address, 'x')
        .catch(() => '');
      assert.equal(answer, '', address);
    }
    assert.equal(refusals(world, 'server')['illegal-port'], 3);
  });

  test('cannot make a policy by port see another port than the one that is reached', options, async () => {
    const policies = [buildPolicy({ name: 'web', match: [{ ports: [8080] }] })];
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }], { mesh: { policies } });
    for (const port of [8080, 8081]) await world.pod('server').serve(port, (socket) => void socket.end('ok'));
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'x'), 'ok');
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8081', 'x'), refusal);
  });
});

describe('a hostile tunnel peer', () => {
  test('reaches nothing but its own destination by tricks with the authority', options, async () => {
    const other = buildService({
      hostname: 'other.shop.svc.cluster.local',
      ports: ['80:15008'],
    });
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }], {
      mesh: { services: [other] },
    });
    const reached: string[] = [];
    await world.pod('server').serve(8080, (socket) => void reached.push(socket.localAddress ?? ''));
    const session = await openSession(world, 'client', world.ca.issue(workloadIdentity(world.pod('client').workload)));
    const table: readonly [authority: string, expected: number][] = [
      ['[::ffff:10.77.0.2]:8080', 200], // The same address in another spelling.
      ['[::ffff:10.77.0.1]:8080', 400],
      ['[fe80::1%25eth0]:8080', 400],
      ['10.77.0.2:0', 400],
      ['10.77.0.2:65536', 400],
      ['10.77.0.2:08080', 400],
      ['10.77.0.2', 400],
      ['010.77.0.2:8080', 400],
      ['0x0a4d0002:8080', 503],
      ['172818434:8080', 400],
      ['127.0.0.1:8080', 400],
      ['0.0.0.0:8080', 400],
      ['user@10.77.0.2:8080', 400],
      ['10.77.0.2:8080/', 400],
      ['OTHER.shop.svc.cluster.local:80', 503],
      ['other.shop.svc.cluster.local.:80', 400],
      ['other.shop.svc.cluster.local:81', 503],
    ];
    const statuses: [string, number | string][] = [];
    for (const [authority] of table) statuses.push([authority, await ask(session, authority)]);
    assert.deepEqual(statuses, table);
    assert.deepEqual(reached, ['::ffff:10.77.0.2']);
    session.destroy(new HboneError('closed'));
  });

  test('opens no more tunnels on its connection once its certificate has expired', options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
    await world.pod('server').serve(8080, () => {});
    const now = Date.now();
    const svid = world.ca.issue(workloadIdentity(world.pod('client').workload), {
      notBeforeMs: now - 60_000,
      notAfterMs: now + 2500,
    });
    const session = await openSession(world, 'client', svid);
    assert.equal(await ask(session, '10.77.0.2:8080'), 200);
    await until(() => Date.now() > svid.notAfterMs, 5000);
    assert.equal(await ask(session, '10.77.0.2:8080'), 401);
    await until(() => session.state !== 'open');
    assert.deepEqual(refusals(world, 'server'), { 'peer-expired': 1 });
  });

  test('opens no more tunnels on its connection once the certificate of the pod has expired', options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
    await world.pod('server').serve(8080, () => {});
    const identity = workloadIdentity(world.pod('server').workload);
    const now = Date.now();
    const svid = world.ca.issue(identity, { notBeforeMs: now - 60_000, notAfterMs: now + 2500 });
    world.nodeOf('server').plane['set-svid']({ identity, svid });
    const session = await openSession(world, 'client', world.ca.issue(workloadIdentity(world.pod('client').workload)));
    assert.equal(await ask(session, '10.77.0.2:8080'), 200);
    await until(() => Date.now() > svid.notAfterMs, 5000);
    assert.equal(await ask(session, '10.77.0.2:8080'), 503);
    assert.deepEqual(refusals(world, 'server'), { 'svid-expired': 1 });
  });
});

describe('a peer that begins handshakes and never ends them', () => {
  test('gets no more than its share, and others get theirs', options, async () => {
    await using world = await PodWorld.create([OUTSIDER, { name: 'server' }, { name: 'client' }]);
    await world.pod('server').serve(8080, (socket) => void socket.end('ok'));
    const idle = Array.from({ length: 200 }, () => world.pod('outsider').dial('10.77.0.2:15008'));
    await until(() => refusals(world, 'server')['too-many-handshakes'] === 200 - HANDSHAKE_LIMITS.pendingPerSourceMax);
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'x'), 'ok');
    for (const socket of idle) socket.destroy();
    await until(() => refusals(world, 'server')['tunnel-tls'] === HANDSHAKE_LIMITS.pendingPerSourceMax);
    const late = world.pod('outsider').dial('10.77.0.2:15008');
    await once(late, 'connect');
    await assert.rejects(once(late, 'close', { signal: AbortSignal.timeout(300) }), { name: 'AbortError' });
  });
});

describe('a live connection', () => {
  const deny = buildPolicy({ name: 'deny', action: 'deny', match: [{ sourceIps: ['0.0.0.0/0'] }] });

  async function held(world: PodWorld, from: string): Promise<{ readonly broken: Promise<void> }> {
    await world.pod('server').serve(8080, (socket: Socket) => void socket.write('hello'));
    const socket = world.pod(from).dial('10.77.0.2:8080');
    await once(socket, 'data');
    return { broken: new Promise((resolve) => socket.once('close', () => resolve())) };
  }

  for (const from of ['client', 'outsider']) {
    test(`from ${from} is cut by a new policy though its pod has left the mesh view meanwhile`, options, async () => {
      await using world = await PodWorld.create([
        from === 'client' ? { name: 'client' } : OUTSIDER,
        { name: 'server' },
      ]);
      const { broken } = await held(world, from);
      world.nodeOf('server').update({ removedWorkloads: [world.pod('server').workload.uid] });
      world.nodeOf('server').update({ policies: [deny] });
      await broken;
    });
  }

  test('is cut when its workload comes to name a policy that has not arrived', options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
    const { broken } = await held(world, 'client');
    world.update({ workloads: [{ ...world.pod('server').workload, authorizationPolicies: ['shop/late' as never] }] });
    await broken;
  });
});
