import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { accessRecords } from '../demo/access-log.ts';
import type { LoadGenerator } from '../load/load-generator.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { addressesOf, pod } from './manifests.ts';
import { summaryOf } from './mixed-load.ts';
import { callLine, type HeldLine, holdLine, livesOn, logsOf, nodeAgentMetric } from './scenario.ts';
import {
  assertNothingLost,
  heldCertificates,
  moreAnswered,
  requestsOnly,
  startWebLoad,
  untilSpared,
  webPlan,
  WebWorld,
} from './web-load.ts';

/** A second: of those who are not revoked, and of the one who is. */
const RATE = 100;
const REVOKED_RATE = 20;
const ROUNDS = 3;
const STOLEN = { name: 'stolen', host: 'host-b', number: 30 } as const;
const PEERS = [
  { name: 'caller', host: 'host-a', number: 31 },
  // Connections with this one go by the shortcut.
  { name: 'neighbour', host: 'host-b', number: 32 },
] as const;
const LISTS = '/run/scenario-revocation-lists';
const LIST = join(LISTS, 'ca-crl.pem');
const CUT = /^(ECONNRESET|EPIPE|socket hang up)$/;
const REVOKED = 'the certificate of the tunnel peer is revoked';

describe('a revocation list that is set and taken back under load', { skip: requireSandbox() }, () => {
  let web: WebWorld;
  let world: MeshWorld;

  before(async () => {
    mkdirSync(LISTS);
    writeList('');
    const pods = [STOLEN, ...PEERS];
    web = await WebWorld.start({
      directory: '/run/scenario-revocation',
      write: (manifests) => manifests.write('pods.yaml', ...pods.map(pod)),
      pods: pods.map(({ name }) => `shop/${name}`),
      variables: { AMBIT_CRL_FILE: LIST, AMBIT_WORKERS: '2' },
    });
    ({ world } = web);
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(async () => {
    await web[Symbol.asyncDispose]();
    rmSync(LISTS, { recursive: true });
  });

  /** A list that withdraws the certificate of `shop/stolen`, as an operator would make it. */
  async function listOfStolen(): Promise<string> {
    const certificate = (await heldCertificates(world)).get('host-b spiffe://cluster.local/ns/shop/sa/stolen');
    const file = join(LISTS, 'stolen.pem');
    writeFileSync(file, Buffer.from(certificate?.certChain[0]?.pem ?? '', 'base64'));
    const { code, output, complaint } = await world.controllerCommand(['revoke', '--certificate', file]);
    assert.equal(code, 0, complaint);
    return output;
  }

  /** Resolves once both agents have put so many entries in force. */
  async function inForce(entries: number): Promise<void> {
    await until(`${entries} entries are in force everywhere`, async () => {
      const counts = await Promise.all(
        world.hosts.map(({ name }) => nodeAgentMetric(world, name, 'ambit_crl_entries')),
      );
      return counts.every((count) => count === entries);
    });
  }

  const pairs = PEERS.flatMap((peer) => [
    { from: peer.name, to: STOLEN },
    { from: STOLEN.name, to: peer },
  ]);
  const holdAll = (): Promise<HeldLine[]> =>
    Promise.all(pairs.map(({ from, to }) => holdLine(world, from, addressesOf(to)[0])));
  const callAll = (): Promise<boolean[]> =>
    Promise.all(pairs.map(async ({ from, to }) => (await callLine(world, from, addressesOf(to)[0])).ok));

  /** The revoked one is refused whatever it asks for, and was cut in all that was open. */
  async function assertShutOut(held: readonly HeldLine[], load: LoadGenerator): Promise<void> {
    for (const { ended } of held) assert.match((await ended).error ?? 'in order', CUT);
    assert.deepEqual(await callAll(), [false, false, false, false]);
    // What was answered before its connection was cut may still be on its way to the counts.
    await moreFailed(load, REVOKED_RATE / 2);
    const before = (await load.soFar()).protocols.http1?.answered;
    await moreFailed(load, REVOKED_RATE);
    assert.equal((await load.soFar()).protocols.http1?.answered, before, 'not one request of it is answered');
  }

  test('cuts and refuses whom it names, both ways, lets that one in again each time, and costs nobody else anything', async (t) => {
    const list = await listOfStolen();
    await using load = await startWebLoad(world, 'client', webPlan(RATE));
    await using stolen = await startWebLoad(world, 'stolen', requestsOnly(webPlan(REVOKED_RATE)));
    const bystander = await holdLine(world, 'caller', addressesOf(PEERS[1])[0]);
    for (let round = 1; round <= ROUNDS; round++) {
      const held = await holdAll();
      for (const [index, { to }] of pairs.entries()) await livesOn(world, to.name, held[index] ?? bystander);
      await stolen.mark(`set ${round}`);
      writeList(list);
      await inForce(1);
      await assertShutOut(held, stolen);
      writeList('');
      await inForce(0);
      assert.deepEqual(await callAll(), [true, true, true, true]);
      await untilSpared(stolen, REVOKED_RATE);
      await stolen.mark(`taken back ${round}`);
    }
    await moreAnswered(stolen, REVOKED_RATE);
    await livesOn(world, 'neighbour', bystander);
    assert.equal(await bystander.release(), undefined, 'who is on no list is not cut');
    const [others, own] = [await load.stop(), await stolen.stop()];
    t.diagnostic(summaryOf(others));
    t.diagnostic(summaryOf(own));

    assertNothingLost(others);
    for (const reason of Object.keys(own.protocols.http1?.reasons ?? {})) assert.match(reason, CUT);
    const set = own.events.filter(({ name }) => name.startsWith('set'));
    const back = own.events.filter(({ name }) => name.startsWith('taken back'));
    const isOutside = (atMs: number): boolean =>
      !set.some((event, index) => event.atMs <= atMs && atMs <= (back[index]?.atMs ?? 0));
    assert.deepEqual(
      own.failures.filter(({ atMs }) => isOutside(atMs)),
      [],
      'it works whenever it is on no list',
    );
    // Each agent says why, about those who called and those who were called.
    for (const [host, direction] of [
      ['host-a', 'inbound'],
      ['host-a', 'outbound'],
      ['host-b', 'inbound'],
      ['host-b', 'outbound'],
    ] as const) {
      const records = accessRecords(world.accessLog(host), direction);
      assert.ok(
        records.some(({ fields }) => fields.get('error') === REVOKED),
        `${host}, ${direction}`,
      );
    }
    assert.ok((await nodeAgentMetric(world, 'host-b', 'ambit_same_node_connections_total')) > 0);
  });

  /** Resolves when `count` more requests have failed. */
  async function moreFailed(load: LoadGenerator, count: number): Promise<void> {
    const failed = async (): Promise<number> => (await load.soFar()).protocols.http1?.failed ?? 0;
    const before = await failed();
    await until(`${count} more requests fail`, async () => (await failed()) >= before + count);
  }
});

/** Whole at any moment, as the kubelet writes a ConfigMap. */
function writeList(pem: string): void {
  writeFileSync(`${LIST}.new`, pem);
  renameSync(`${LIST}.new`, LIST);
}
