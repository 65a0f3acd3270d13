import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { DEFAULT_LIMITS } from '@ambit/mesh/hbone';
import { type SpiffeId, workloadIdentity } from '@ambit/mesh/model';
import { buildPolicy, rootTestOptions } from '@ambit/mesh/testing';
import { PodWorld, until } from './pod-world.ts';

const options = { ...rootTestOptions(), timeout: 30_000 };
const refusal = { code: 'ECONNRESET' };

/** Two pods, and a connection between them that stays open; the server answers each chunk with the same. */
async function openConnection(
  plans: Parameters<typeof PodWorld.create>[0] = [{ name: 'client' }, { name: 'server' }],
): Promise<{ world: PodWorld; socket: Socket }> {
  const world = await PodWorld.create(plans);
  await world
    .pod('server')
    .serve(8080, (socket) => void socket.on('end', () => socket.end()).pipe(socket, { end: false }));
  const socket = world.pod('client').dial('10.77.0.2:8080');
  await say(socket, 'first');
  return { world, socket };
}

async function say(socket: Socket, text: string): Promise<void> {
  socket.write(text);
  const [data] = (await once(socket, 'data')) as [Buffer];
  assert.equal(data.toString(), text);
}

/** The error a live connection ends with. */
async function breakOf(socket: Socket): Promise<string | undefined> {
  const [error] = (await once(socket.resume(), 'error')) as [NodeJS.ErrnoException];
  return error.code;
}

describe('a live connection', () => {
  const denyOther = buildPolicy({ name: 'deny', action: 'deny', match: [{ namespaces: ['other'] }] });

  test('is cut when policy no longer admits it, and survives a change that does not concern it', options, async () => {
    const { world, socket } = await openConnection();
    await using _ = world;
    world.update({ policies: [denyOther] });
    await say(socket, 'still here');
    const broken = breakOf(socket);
    world.update({
      policies: [{ ...denyOther, ...buildPolicy({ name: 'deny', action: 'deny', match: [{ namespaces: ['shop'] }] }) }],
    });
    assert.equal(await broken, 'ECONNRESET');
    const server = world.nodeOf('server');
    await until(() => server.lines.length === 1);
    assert.equal(server.records('inbound')[0]?.get('error'), 'connection closed due to policy change');
    assert.deepEqual(server.metrics().cuts, [['policy-changed', 1]]);
  });

  test('in plaintext is cut when strict mutual TLS comes into force', options, async () => {
    const { world, socket } = await openConnection([{ name: 'client', captured: false }, { name: 'server' }]);
    await using _ = world;
    const broken = breakOf(socket);
    world.update({ policies: [buildPolicy({ name: 'strict', action: 'deny', match: [{ notPrincipals: ['*'] }] })] });
    assert.equal(await broken, 'ECONNRESET');
  });

  test('is cut when the policy it needs is only named and has not arrived', options, async () => {
    const { world, socket } = await openConnection();
    await using _ = world;
    const broken = breakOf(socket);
    const { workload } = world.pod('server');
    world.update({ workloads: [{ ...workload, authorizationPolicies: [buildPolicy({ name: 'late' }).key] }] });
    assert.equal(await broken, 'ECONNRESET');
  });

  test('goes on over a renewed certificate; new ones use the new certificate', options, async () => {
    const { world, socket } = await openConnection();
    await using _ = world;
    for (const name of ['client', 'server']) {
      const identity = workloadIdentity(world.pod(name).workload);
      world.nodeOf(name).plane['set-svid']({ identity, svid: world.ca.issue(identity) });
    }
    await say(socket, 'old connection');
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'new connection'), 'new connection');
    await say(socket, 'still the old one');
  });

  test('is counted and shown while it lives', options, async () => {
    const { world, socket } = await openConnection();
    await using _ = world;
    const { plane } = world.nodeOf('server');
    assert.deepEqual(plane.metrics().open, { source: 0, destination: 1 });
    const { labels, values } = plane.metrics().traffic;
    assert.deepEqual([labels.length, ...values.slice(0, 5)], [1, 1, 0, 0, 5, 5]);
    await say(socket, 'more');
    assert.deepEqual([...plane.metrics().traffic.values.slice(0, 5)], [1, 0, 0, 9, 9]);
    const [shown] = plane.connections({ filter: {}, limit: 10 });
    assert.equal(shown?.sourceIdentity, 'spiffe://cluster.local/ns/shop/sa/client');
    assert.equal(shown?.hboneAddress, '10.77.0.2:8080');
    assert.deepEqual(plane.connections({ filter: {}, limit: 0 }), []);
  });
});

describe('a pod that goes', () => {
  test('takes its connections with it at once when it is removed', options, async () => {
    const { world, socket } = await openConnection();
    await using _ = world;
    const broken = breakOf(socket);
    await world.remove('server');
    assert.equal(await broken, 'ECONNRESET');
    assert.equal(
      world.nodeOf('server').records('inbound')[0]?.get('error'),
      'connection closed because the pod was removed',
    );
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), refusal);
  });

  test('is drained: nothing new, what is open goes on until it ends', options, async () => {
    const { world, socket } = await openConnection();
    await using _ = world;
    let drained = false;
    const draining = world.remove('server', 10_000).then(() => {
      drained = true;
    });
    await until(() => world.nodeOf('client').metrics().open.source === 1);
    await say(socket, 'during the drain');
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'));
    assert.equal(drained, false);
    socket.end();
    await draining;
  });

  test('is cut at the deadline of its drain', options, async () => {
    const { world, socket } = await openConnection();
    await using _ = world;
    const broken = breakOf(socket);
    await world.remove('server', 50);
    assert.equal(await broken, 'ECONNRESET');
    assert.equal(
      world.nodeOf('server').records('inbound')[0]?.get('error'),
      'connection closed because the node agent shuts down',
    );
  });

  test('leaves its application unreachable rather than open in plaintext', options, async () => {
    await using world = await PodWorld.create([{ name: 'outsider', captured: false }, { name: 'server' }]);
    await world.pod('server').serve(8080, (socket) => socket.end('leak'));
    await world.remove('server');
    await assert.rejects(world.pod('outsider').exchange('10.77.0.2:8080', 'x'), { code: 'ECONNREFUSED' });
  });
});

describe('a pooled tunnel', () => {
  /** The client's end of the tunnel connection that a call goes over, as the server's agent sees it. */
  async function tunnelOf(world: PodWorld, call: string): Promise<string | undefined> {
    const { lines } = world.nodeOf('server');
    const before = lines.length;
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', call), call);
    await until(() => lines.length > before);
    return world.nodeOf('server').records('inbound').at(-1)?.get('src.addr');
  }

  test('to a pod that is about to end is left, while what is on it goes on', options, async () => {
    const { world, socket } = await openConnection();
    await using _ = world;
    const { workload } = world.pod('server');
    const first = await tunnelOf(world, 'one');
    assert.equal(await tunnelOf(world, 'two'), first);
    world.update({ workloads: [{ ...workload, status: 'unhealthy' }] });
    await until(() => world.nodeOf('server').plane.metrics().open.destination === 1);
    await say(socket, 'on the old tunnel');
    let second = await tunnelOf(world, 'three');
    // The peer is asked, and answers in its own time.
    for (let i = 0; second === first && i < 50; i++) second = await tunnelOf(world, `again ${i}`);
    assert.notEqual(second, first);
    assert.equal(await tunnelOf(world, 'four'), second);
    world.update({ workloads: [workload] });
    assert.equal(await tunnelOf(world, 'five'), second);
    await say(socket, 'still on the old tunnel');
  });

  test('to a workload that was gone is not used for whoever has its address now', options, async () => {
    const { world } = await openConnection();
    await using _ = world;
    const { workload } = world.pod('server');
    const first = await tunnelOf(world, 'one');
    const node = world.nodeOf('client');
    node.update({ removedWorkloads: [workload.uid] });
    node.update({ workloads: [workload] });
    assert.notEqual(await tunnelOf(world, 'two'), first);
  });

  test('whose peer went without a word is replaced before an application loses anything', options, async () => {
    const { world } = await openConnection();
    await using _ = world;
    const first = await tunnelOf(world, 'one');
    const port = first?.split(':')[1] ?? '';
    const silence = `add table inet wall; add chain inet wall in { type filter hook input priority 0; }; add rule inet wall in tcp sport ${port} drop`;
    world.pod('server').netns.run('nft', silence);
    await new Promise((resolve) => setTimeout(resolve, DEFAULT_LIMITS.silenceMs + 100));
    const calls = ['two', 'three', 'four'].map((call) => world.pod('client').exchange('10.77.0.2:8080', call));
    assert.deepEqual(await Promise.all(calls), ['two', 'three', 'four']);
    assert.notEqual(await tunnelOf(world, 'five'), first);
  });
});

describe('what is not known yet', () => {
  test('a destination inside the mesh is waited for, then refused', options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }]);
    const began = performance.now();
    await assert.rejects(world.pod('client').exchange('10.77.5.5:80', 'x'), refusal);
    assert.ok(performance.now() - began >= 290);
    assert.deepEqual(world.nodeOf('client').metrics().refusals, [['outbound', 'unknown-destination', 1]]);
  });

  test('a destination that becomes known while a connection waits is reached', options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }], {
      settings: { patienceMs: 5000 },
    });
    await world.pod('server').serve(8080, (socket) => socket.end('ok'));
    const { workload } = world.pod('server');
    const node = world.nodeOf('client');
    node.update({ removedWorkloads: [workload.uid] });
    const answer = world.pod('client').exchange('10.77.0.2:8080', 'x');
    node.update({ policies: [buildPolicy({ name: 'unrelated', namespace: 'other' })] });
    node.update({ workloads: [workload] });
    assert.equal(await answer, 'ok');
  });

  test('a source workload is waited for, then refused, even towards the outside', options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }]);
    world.update({ removedWorkloads: [world.pod('client').workload.uid] });
    await assert.rejects(world.pod('client').exchange('192.0.2.1:80', 'x'), refusal);
    assert.deepEqual(world.nodeOf('client').metrics().refusals, [['outbound', 'unknown-source', 1]]);
  });

  test('a workload under another service account than the CNI agent announced is unknown', options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }]);
    world.update({ workloads: [{ ...world.pod('client').workload, serviceAccount: 'admin' }] });
    await assert.rejects(world.pod('client').exchange('192.0.2.1:80', 'x'), refusal);
    assert.deepEqual(world.nodeOf('client').metrics().refusals, [['outbound', 'unknown-source', 1]]);
  });

  test('a destination workload is waited for, then its callers are refused', options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
    await world.pod('server').serve(8080, (socket) => socket.end('ok'));
    const { workload } = world.pod('server');
    const node = world.nodeOf('server');
    node.update({ removedWorkloads: [workload.uid] });
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), refusal);
    assert.deepEqual(node.metrics().refusals, [['inbound', 'unknown-workload', 1]]);
    const answer = world.pod('client').exchange('10.77.0.2:8080', 'x');
    node.update({ workloads: [workload] });
    assert.equal(await answer, 'ok');
  });
});

describe('the certificate of a pod', () => {
  test('that is missing refuses both directions; one that arrives while they wait serves them', options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
    await world.pod('server').serve(8080, (socket) => socket.end('ok'));
    const identity = workloadIdentity(world.pod('client').workload);
    const { plane } = world.nodeOf('client');
    plane['forget-svid']({ identity });
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), refusal);
    assert.deepEqual(plane.metrics().refusals, [['outbound', 'no-svid', 1]]);
    const answer = world.pod('client').exchange('10.77.0.2:8080', 'x');
    await new Promise((resolve) => setTimeout(resolve, 30));
    plane['set-svid']({ identity, svid: world.ca.issue(identity) });
    assert.equal(await answer, 'ok');
  });

  test('that has expired is not used', options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
    await world.pod('server').serve(8080, (socket) => socket.end('ok'));
    const identity = workloadIdentity(world.pod('client').workload);
    const { plane } = world.nodeOf('client');
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'x'), 'ok');
    plane['set-svid']({
      identity,
      svid: world.ca.issue(identity, { notBeforeMs: -7_200_000, notAfterMs: -3_600_000 }),
    });
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), refusal);
    assert.deepEqual(plane.metrics().refusals, [['outbound', 'svid-expired', 1]]);
  });

  test('that is replaced while a tunnel connection is being opened does not open the next one', options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }], {
      settings: { patienceMs: 5000 },
    });
    await world.pod('server').serve(8080, (socket) => socket.end('ok'));
    const identityOf = (name: string): SpiffeId => workloadIdentity(world.pod(name).workload);
    const give = (name: string, validity: { notBeforeMs?: number; notAfterMs?: number } = {}): void => {
      const identity = identityOf(name);
      world.nodeOf(name).plane['set-svid']({ identity, svid: world.ca.issue(identity, validity) });
    };
    const oldEndsMs = Date.now() + 4000;
    give('client', { notBeforeMs: Date.now() - 60_000, notAfterMs: oldEndsMs });
    // Its handshake waits for a certificate of the server, and shows the client's of before.
    world.nodeOf('server').plane['forget-svid']({ identity: identityOf('server') });
    const first = world.pod('client').exchange('10.77.0.2:8080', 'x');
    // The client has spoken, so that it is too late for another certificate.
    const connections = ['-tinH', 'state', 'established', 'sport = :15008'];
    await until(() => /bytes_received:[1-9]/.test(world.pod('server').netns.run('ss', ...connections)));
    give('client');
    give('server');
    assert.equal(await first, 'ok');
    await until(() => Date.now() > oldEndsMs, 6000);
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'x'), 'ok');
  });

  test('that is missing at the destination refuses whoever calls', options, async () => {
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
    const { plane } = world.nodeOf('server');
    plane['forget-svid']({ identity: workloadIdentity(world.pod('server').workload) });
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), refusal);
    // The caller's agent takes a reset for a listener that stops, and tries again for a while.
    const refusals = plane.metrics().refusals.map(([direction, reason]) => [direction, reason]);
    assert.deepEqual(refusals, [['inbound', 'no-svid']]);
  });
});

test('a listener that cannot be opened leaves none of the others open', options, async () => {
  await using world = await PodWorld.create([{ name: 'server', captured: false }]);
  const taken = await world.pod('server').serve(15001, (socket) => socket.end());
  await assert.rejects(world.capture('server'), { errno: 'EADDRINUSE' });
  taken.close();
  for (const port of [15001, 15006, 15008]) {
    await assert.rejects(world.pod('server').exchange(`127.0.0.1:${port}`, 'x'), { code: 'ECONNREFUSED' });
  }
  await world.capture('server');
  for (const port of [15001, 15006]) {
    await assert.rejects(world.pod('server').exchange(`127.0.0.1:${port}`, 'x'), refusal);
  }
});

describe('a destination that cannot be reached', () => {
  async function refusalOf(prepare: (world: PodWorld) => void): Promise<readonly (string | undefined)[]> {
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
    prepare(world);
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), refusal);
    const [record] = world.nodeOf('client').records('outbound');
    const { labels } = world.nodeOf('client').metrics().traffic;
    return [record?.get('error'), labels[0]?.find((label) => label === 'NETWORK_POLICY' || label === 'CONNECT')];
  }

  test('because nothing answers on port 15008: a hint at the likely cause', options, async () => {
    const drop =
      'add table inet wall; add chain inet wall in { type filter hook input priority 0; }; add rule inet wall in tcp dport 15008 drop';
    assert.deepEqual(await refusalOf((world) => void world.pod('server').netns.run('nft', drop)), [
      'connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008',
      'NETWORK_POLICY',
    ]);
  });

  test('because its node agent is away: refused, not plaintext', options, async () => {
    const answer = await refusalOf((world) => {
      void world.pod('server').serve(8080, (socket) => socket.end('leak'));
      void world.remove('server');
    });
    assert.deepEqual(answer, ['the tunnel connection could not be opened: ECONNREFUSED', 'CONNECT']);
  });

  test('because the application does not listen: refused by the other side', options, async () => {
    const [error] = await refusalOf(() => {});
    assert.equal(error, 'the tunnel peer refused the request: status 503');
  });
});
