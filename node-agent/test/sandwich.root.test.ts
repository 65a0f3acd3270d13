import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { HboneError } from '@ambit/mesh/hbone';
import type { SpiffeId } from '@ambit/mesh/model';
import { buildPolicy, buildService, buildWaypointRef, rootTestOptions, testIdentity } from '@ambit/mesh/testing';
import { type PodPlan, PodWorld, readAll, until } from './pod-world.ts';
import { openSession } from './tunnel-session.ts';

const options = { ...rootTestOptions(), timeout: 30_000 };
const CLIENT = '10.77.0.1';
const GATEWAY = '10.77.0.2';
const SERVER = '10.77.0.3';
const VIP = '10.77.200.1';
const gateway = buildService({ name: 'gateway', addresses: ['10.77.200.9'], ports: ['15008:15008'] });

/** A waypoint that is captured itself: its own agent takes its tunnels and hands it their bytes. */
async function sandwich(plan: Partial<PodPlan> = {}, hasService = true): Promise<PodWorld> {
  const service = buildService({
    ...{ name: 'web', addresses: [VIP], ports: ['80:8080'] },
    ...(hasService ? { waypoint: buildWaypointRef(gateway.key) } : {}),
  });
  return PodWorld.create(
    [
      { name: 'client' },
      { name: 'gateway', services: { [gateway.key]: ['15008:15008'] }, ...plan },
      { name: 'server', services: { [service.key]: ['80:8080'] } },
    ],
    { mesh: { services: [gateway, service] } },
  );
}

/** The gateway's application passes each connection on to the server, from its own pod. */
async function relay(world: PodWorld, port: number): Promise<void> {
  await world.pod('gateway').serve(port, (socket) => {
    const onward = world.pod('gateway').dial(`${SERVER}:8080`);
    socket.pipe(onward).pipe(socket);
  });
  await world.pod('server').serve(8080, (socket) => {
    void readAll(socket).then((text) => socket.end(`${socket.remoteAddress?.slice(7) ?? ''} said ${text}`));
  });
}

interface Header {
  readonly source: string;
  readonly destination: string;
  readonly identity: string;
  readonly rest: string;
}

/** Reads a PROXY protocol v2 header of TCP over IPv4 and what comes behind it, to the end. */
async function readHeader(socket: Socket): Promise<Header> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  await once(socket, 'end');
  const bytes = Buffer.concat(chunks);
  assert.equal(bytes.toString('latin1', 0, 12), '\r\n\r\n\0\r\nQUIT\n');
  assert.deepEqual([bytes[12], bytes[13]], [0x21, 0x11]);
  const end = 16 + bytes.readUInt16BE(14);
  const ip = (at: number): string => [...bytes.subarray(at, at + 4)].join('.');
  assert.equal(bytes[28], 0xd0);
  assert.equal(bytes.readUInt16BE(29), end - 31);
  return {
    source: ip(16),
    destination: `${ip(20)}:${bytes.readUInt16BE(26)}`,
    identity: bytes.toString('latin1', 31, end),
    rest: bytes.toString('utf8', end),
  };
}

/** Status of a tunnel request to the gateway's agent, as the client's identity; what it says is sent and ended. */
async function ask(world: PodWorld, authority: string, say = ''): Promise<number> {
  const identity: SpiffeId = testIdentity('shop', 'client');
  const session = await openSession(world, 'client', world.ca.issue(identity), `${GATEWAY}:15008`);
  try {
    const { stream } = await session.openTunnel({ authority, headers: [] });
    const over = new Promise<void>((resolve) => {
      stream.read({ onBytes: () => {}, onEnd: () => {}, onClose: () => resolve() });
    });
    if (say !== '') stream.write(Buffer.from(say));
    stream.end();
    await over;
    return 200;
  } catch (error) {
    if (error instanceof HboneError && error.code === 'refused-status') return Number(error.data['status']);
    throw error;
  } finally {
    session.destroy(new HboneError('closed'));
  }
}

describe('a waypoint that is captured', () => {
  test('takes the connections to its service on their own ports, and calls on as itself', options, async () => {
    await using world = await sandwich();
    await relay(world, 80);
    assert.equal(await world.pod('client').exchange(`${VIP}:80`, 'hello'), `${GATEWAY} said hello`);
    const identities = (name: string): unknown =>
      world
        .nodeOf(name)
        .records('inbound')
        .map((record) => record.get('src.identity'));
    await until(() => world.nodeOf('server').lines.length === 1 && world.nodeOf('gateway').lines.length === 2);
    assert.deepEqual(
      [identities('gateway'), identities('server')],
      [[testIdentity('shop', 'client')], [testIdentity('shop', 'gateway')]],
    );
    // Of addresses that have another waypoint, or none, it takes nothing.
    assert.deepEqual([await ask(world, `${SERVER}:80`), await ask(world, '10.77.200.7:80')], [400, 400]);
  });

  test('takes the connections to a workload, and reaches it itself', options, async () => {
    await using world = await sandwich({}, false);
    const { workload } = world.pod('server');
    world.update({ workloads: [{ ...workload, waypoint: buildWaypointRef(GATEWAY) }] });
    await relay(world, 8080);
    assert.equal(await world.pod('client').exchange(`${SERVER}:8080`, 'hello'), `${GATEWAY} said hello`);
  });

  test('is told by PROXY protocol who calls whom, on loopback', options, async () => {
    await using world = await sandwich({ applicationTunnel: { protocol: 'proxy', port: 15088 } });
    const headers: Promise<Header & { readonly from: string }>[] = [];
    await world.pod('gateway').serve(
      15088,
      (socket) => {
        const from = socket.remoteAddress ?? '';
        headers.push(readHeader(socket).then((header) => ({ ...header, from })));
        socket.on('end', () => socket.end('bye'));
      },
      '127.0.0.1',
    );
    assert.equal(await world.pod('client').exchange(`${VIP}:80`, 'x'.repeat(100_000)), 'bye');
    // A host name is said by the address of its service; the port stays the service's.
    assert.equal(await ask(world, 'web.shop.svc.cluster.local:80', 'by name'), 200);
    const identity = testIdentity('shop', 'client');
    const [byAddress, byName] = await Promise.all(headers);
    assert.deepEqual(
      { ...byAddress, rest: byAddress?.rest.length },
      { source: CLIENT, destination: `${VIP}:80`, identity, rest: 100_000, from: '127.0.0.1' },
    );
    assert.deepEqual(byName, {
      ...{ source: CLIENT, destination: `${VIP}:80`, identity, rest: 'by name', from: '127.0.0.1' },
    });
  });

  test(
    'is told the same on its own address, from the address of the peer, where loopback is off',
    options,
    async () => {
      const settings = { localhostApplicationTunnel: false };
      await using world = await PodWorld.create(
        [{ name: 'client' }, { name: 'gateway', applicationTunnel: { protocol: 'proxy', port: 15088 } }],
        { settings },
      );
      let header: Promise<Header> | undefined;
      let from = '';
      await world.pod('gateway').serve(15088, (socket) => {
        from = socket.remoteAddress ?? '';
        header = readHeader(socket);
        socket.on('end', () => socket.end());
      });
      assert.equal(await ask(world, `${GATEWAY}:9999`, 'x'), 200);
      assert.deepEqual([(await header)?.destination, from], [`${GATEWAY}:9999`, `::ffff:${CLIENT}`]);
    },
  );

  test('is protected by policy on the port of its tunnel, whatever port is asked for', options, async () => {
    await using world = await sandwich({ applicationTunnel: { protocol: 'proxy', port: 15088 } });
    await world.pod('gateway').serve(15088, (socket) => socket.end('bye'), '127.0.0.1');
    world.update({ policies: [buildPolicy({ name: 'deny', action: 'deny', match: [{ ports: [15088] }] })] });
    assert.deepEqual([await ask(world, `${VIP}:80`), await ask(world, `${VIP}:15088`)], [401, 401]);
  });
});

describe('a host name as authority', () => {
  const named = buildService({ name: 'named', addresses: [], ports: ['80:0', '81:8081', '82:0'] });

  test('leads to the port that the workload has for it, else to that of the service', options, async () => {
    const plan = { services: { [named.key]: ['80:8080'] } };
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'gateway', ...plan }], {
      mesh: { services: [named] },
    });
    const heard: number[] = [];
    for (const port of [8080, 8081]) {
      await world.pod('gateway').serve(port, (socket) => {
        heard.push(port);
        socket.end();
      });
    }
    const statuses: number[] = [];
    for (const port of [80, 81, 82, 8080]) statuses.push(await ask(world, `${named.hostname}:${port}`));
    assert.deepEqual({ statuses, heard }, { statuses: [200, 200, 503, 503], heard: [8080, 8081] });
    assert.deepEqual(world.nodeOf('gateway').metrics().refusals, [['inbound', 'unresolvable-port', 2]]);
  });
});
