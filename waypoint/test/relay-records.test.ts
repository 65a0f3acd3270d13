import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHbonePool, createPlainCarrier } from '@ambit/mesh/hbone';
import { type PolicySet, servicePolicySet } from '@ambit/mesh/policies';
import { createTrustDomains, DEFAULT_TRUST_DOMAIN } from '@ambit/mesh/model';
import { CONNECTION_COUNTERS } from '@ambit/mesh/runtime';
import {
  buildService,
  buildWorkload,
  checkLeaks,
  createTestCa,
  environment,
  listen,
  testIdentity,
  until,
} from '@ambit/mesh/testing';
import { CONNECTION_LABELS } from '../src/telemetry/connection-metrics.ts';
import type { DataPlane } from '../src/worker/data-plane.ts';
import { Party } from './http-world.ts';
import { createPlane, logTo, waypointAt } from './plane.ts';

checkLeaks();

const ca = createTestCa();
const client = ca.issue(testIdentity('shop', 'client'));
const DB = { ...buildService({ name: 'db', addresses: ['10.9.0.1'] }) };
const SERVICE = { ...DB, ports: [{ servicePort: 5432, targetPort: 0, appProtocol: 'tcp' }] } as const;
const OPEN: PolicySet = { name: servicePolicySet(SERVICE.key), includes: [], policies: [] };

/** A waypoint before port 5432 of Service `db`, of which one server may run, and a client at `127.0.0.1`. */
class World implements AsyncDisposable {
  readonly lines: Readonly<Record<string, unknown>>[] = [];
  readonly served: Party[] = [];
  readonly plane: DataPlane;
  readonly #stack = new AsyncDisposableStack();
  readonly #pool = this.#stack.use(createHbonePool<string>(environment));
  #port = 0;

  private constructor() {
    this.plane = createPlane({
      config: {
        network: '',
        trustDomains: createTrustDomains(DEFAULT_TRUST_DOMAIN),
        forwardsClientCertificate: false,
        watchesRevocation: true,
        accessLogFormat: 'json',
      },
      accessLog: logTo((line) => void this.lines.push(JSON.parse(line))),
    });
    this.#stack.defer(() => this.plane.drain(0));
  }

  static async open(servers: 'one' | 'closed' | 'none'): Promise<World> {
    await using half = new AsyncDisposableStack();
    const world = half.use(new World());
    const server = await listen((socket) => {
      const party = new Party(createPlainCarrier(socket));
      world.served.push(party);
      party.onPiece = (from) => from.send('answer');
      party.carrier.read(party);
    });
    if (servers === 'one') world.#stack.use(server);
    else await server[Symbol.asyncDispose]();
    const services = { [SERVICE.key]: [`5432:${server.port}`] };
    const pod = buildWorkload({ name: 'db-1', addresses: ['127.0.0.1'], tunnelProtocol: 'none', services });
    world.plane['set-svid']({ svid: ca.issue(testIdentity('shop', 'waypoint')) });
    world.plane.configure({
      update: { services: [SERVICE], workloads: servers === 'none' ? [] : [pod] },
      routes: { put: [], removed: [] },
      policySets: { put: [OPEN], removed: [] },
    });
    ({ port: world.#port } = await world.plane.listen({ hbone: { host: '127.0.0.1', port: 0 }, plain: [] }));
    half.move();
    return world;
  }

  async connect(): Promise<Party> {
    const target = waypointAt(this.#port, client);
    const { stream } = await this.#pool.openTunnel(target, { authority: '10.9.0.1:5432', headers: [] });
    const party = new Party(stream);
    party.carrier.read(party);
    return party;
  }

  /** A client that has got an answer, and its server. */
  async talking(): Promise<readonly [client: Party, server: Party]> {
    const party = await this.connect();
    party.send('asked');
    await until('an answer', () => party.text === 'answer');
    return [party, this.served.at(-1) ?? assert.fail()];
  }

  /** What is counted, by `response_flags`: opened, closed, failed, received, sent. */
  get counted(): Readonly<Record<string, readonly number[]>> {
    const at = CONNECTION_LABELS.indexOf('response_flags');
    return Object.fromEntries(this.plane.metrics().bytes.map(({ labels, counts }) => [labels[at], counts]));
  }

  async lastLine(): Promise<Readonly<Record<string, unknown>>> {
    await until('a line is written', () => this.lines.length > 0);
    assert.equal(this.lines.length, 1);
    const { time: _time, duration_ms: durationMs, ...rest } = this.lines[0] ?? {};
    assert.ok(Number(durationMs) >= 0);
    return rest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const party of this.served) if (!party.isOver) party.carrier.reset();
    await this.#stack.disposeAsync();
  }
}

const SUBJECT = { scope: 'access', 'src.addr': '127.0.0.1', 'src.identity': client.id, protocol: 'TCP' } as const;
const TALKED = { bytes_recv: 5, bytes_sent: 6, 'dst.service': 'shop/db:5432' } as const;
/** Without what `dst.addr` is. */
async function lineOf(world: World): Promise<unknown> {
  const { 'dst.addr': address, ...rest } = await world.lastLine();
  assert.match(String(address), /^127\.0\.0\.1:\d+$/);
  return rest;
}

test('a connection of bytes is counted while it is open, and logged when both sides have ended', async () => {
  await using world = await World.open('one');
  const [party, server] = await world.talking();
  assert.deepEqual([world.counted, world.lines], [{ '-': [1, 0, 0, 5, 6] }, []]);
  const labels = world.plane.metrics().bytes[0]?.labels ?? [];
  const named = Object.fromEntries(CONNECTION_LABELS.map((name, index) => [name, labels[index]]));
  assert.deepEqual(
    [named['reporter'], named['source_principal'], named['destination_workload'], named['destination_service']],
    ['waypoint', client.id, 'db-1', SERVICE.hostname],
  );
  assert.deepEqual([named['request_protocol'], named['connection_security_policy']], ['tcp', 'mutual_tls']);
  party.carrier.end();
  server.carrier.end();
  assert.deepEqual(await lineOf(world), { ...SUBJECT, ...TALKED });
  assert.deepEqual(world.counted, { '-': [1, 1, 0, 5, 6] });
  assert.equal(CONNECTION_COUNTERS.join(), 'opened,closed,failed,received,sent');
});

for (const [what, flags, reason, end] of [
  ['its client goes', 'DC', 'client-gone', (_world: World, [party]) => party.carrier.reset()],
  ['its server goes', 'UC', 'upstream-gone', (_world: World, [, server]) => server.carrier.reset()],
  [
    'policies do not want it any more',
    'RBAC',
    'access-denied',
    ({ plane }: World) => {
      const policySets = { put: [], removed: [OPEN.name] };
      plane.configure({ update: {}, routes: { put: [], removed: [] }, policySets });
    },
  ],
] as const satisfies readonly (readonly [
  string,
  string,
  string,
  (world: World, parties: readonly [Party, Party]) => void,
])[]) {
  test(`a connection of bytes is recorded as failed when ${what}`, async () => {
    await using world = await World.open('one');
    const parties = await world.talking();
    end(world, parties);
    assert.deepEqual(await lineOf(world), { ...SUBJECT, ...TALKED, flags, reason });
    assert.deepEqual(world.counted, { '-': [1, 0, 0, 5, 6], [flags]: [0, 1, 1, 0, 0] });
  });
}

test('a connection of bytes that ends with the waypoint is no failure', async () => {
  await using world = await World.open('one');
  await world.talking();
  await world.plane.drain(0);
  assert.deepEqual(await lineOf(world), { ...SUBJECT, ...TALKED, reason: 'stopped' });
});

test('a connection of bytes whose server cannot be reached was never open', async () => {
  await using world = await World.open('closed');
  const party = await world.connect();
  await until('it is cut', () => party.isOver);
  const { 'dst.service': service } = TALKED;
  const nothing = { ...SUBJECT, bytes_recv: 0, bytes_sent: 0, 'dst.service': service };
  assert.deepEqual(await lineOf(world), { ...nothing, flags: 'UF', reason: 'connect' });
  assert.deepEqual(world.counted, { UF: [0, 0, 1, 0, 0] });
  await using empty = await World.open('none');
  const other = await empty.connect();
  await until('it is cut', () => other.isOver);
  assert.deepEqual(await empty.lastLine(), { ...nothing, flags: 'UH', reason: 'no-endpoint' });
});
