import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { accessRecords } from '../demo/access-log.ts';
import type { LoadReport } from '../load/load-report.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { addressesOf, pod } from './manifests.ts';
import { summaryOf } from './mixed-load.ts';
import { callLine, holdLine, livesOn, logsOf } from './scenario.ts';
import {
  assertNothingLost,
  heldCertificates,
  moreAnswered,
  startWebLoad,
  untilSpared,
  WEB_STREAMS,
  webPlan,
  WebWorld,
} from './web-load.ts';

/** A second, a fifth of them on connections of their own. */
const RATE = 100;
/** Renewed after some three seconds, which leaves a busy machine as many. */
const CERTIFICATE_TTL = '6s';
const ROTATIONS = 4;
const CALLER = { name: 'caller', host: 'host-a', number: 11 } as const;
const GUEST = { name: 'guest', host: 'host-b', number: 30 } as const;
/** On a host: its agent reaches the controller no more, and is told so at once. */
const NO_CONTROLLER = `add table inet scenario
add chain inet scenario output { type filter hook output priority 0; }
add rule inet scenario output tcp dport 15012 reject with tcp reset`;
/** What an application sees of a connection that is refused. */
const REFUSED = /^(ECONNRESET|socket hang up)$/;
const OWN_EXPIRED = 'the certificate of the pod has expired and could not be renewed';

describe('certificates of seconds under load', { skip: requireSandbox() }, () => {
  let web: WebWorld;
  let world: MeshWorld;

  before(async () => {
    web = await WebWorld.start({
      directory: '/run/scenario-expiry',
      write: (manifests) => manifests.write('pods.yaml', pod(CALLER), pod(GUEST)),
      pods: ['shop/caller', 'shop/guest'],
      variables: { AMBIT_CERTIFICATE_TTL: CERTIFICATE_TTL },
    });
    ({ world } = web);
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(() => web[Symbol.asyncDispose]());

  const areAll = async (state: string): Promise<boolean> =>
    [...(await heldCertificates(world)).values()].every((certificate) => certificate.state === state);

  test('are replaced on both sides again and again: no request is lost, and streams outlive the certificates that they began with', async (t) => {
    await using load = await startWebLoad(world, 'client', webPlan(RATE));
    const chains = [...(await heldCertificates(world)).values()].map(({ certChain }) => certChain);
    const firstEndMs = Math.max(...chains.map(([leaf]) => Date.parse(leaf?.expirationTime ?? '')));
    const serials = new Map<string, Set<string>>();
    await until(
      `each was replaced ${ROTATIONS} times`,
      async () => {
        for (const [key, { certChain }] of await heldCertificates(world)) {
          serials.set(key, (serials.get(key) ?? new Set()).add(certChain[0]?.serialNumber ?? ''));
        }
        return [...serials.values()].every(({ size }) => size > ROTATIONS);
      },
      60_000,
    );
    await until('those that streams began with have ended', () => Date.now() > firstEndMs);
    await load.mark('the first ones have ended');
    await moreAnswered(load, RATE);
    const report = await load.stop();
    t.diagnostic(summaryOf(report));
    assert.equal(serials.size, 5, 'of three pods with accounts of their own, and of the service on either host');
    assertNothingLost(report);
    assert.equal(report.events[0]?.answeredAfter.tcp, WEB_STREAMS);
    for (const { name } of world.hosts) assert.doesNotMatch(world.processes(name).nodeAgent.log, /\t(error|warn)\t/);
  });

  test('end where nobody signs others: what is open goes on, what is new is refused for that, until somebody signs again', async (t) => {
    await using load = await startWebLoad(world, 'client', webPlan(RATE));
    const recordsBefore = failuresOn(world, 'host-a', 'outbound').length;
    await world.controller.stop('SIGKILL');
    await until('all have ended', () => areAll('Unavailable: expired'), 30_000);
    await load.mark('all have ended');
    const ended = await load.soFar();
    await until(
      'new connections are refused',
      async () => failedOf(await load.soFar()) >= failedOf(ended) + RATE / 10,
      30_000,
    );
    // Those that began before the client's own certificate ended are the first to fail, for that of the server.
    const outboundFailures = (): string[] => failuresOn(world, 'host-a', 'outbound').slice(recordsBefore);
    await until('some for the certificate of the client', async () => outboundFailures().includes(OWN_EXPIRED), 30_000);

    world.controller.start();
    await world.controllerReady();
    await until('all are there again', () => areAll('Available'), 60_000);
    await untilSpared(load, RATE);
    await load.mark('all are there again');
    await moreAnswered(load, RATE);
    const report = await load.stop();
    t.diagnostic(summaryOf(report));

    const [over, again] = report.events;
    assert.deepEqual([report.protocols.tcp?.streams.cut, report.protocols.tcp?.failed], [0, 0]);
    assert.equal(over?.answeredAfter.tcp, WEB_STREAMS, 'streams that were open live on');
    assert.ok((over.answeredAfter.http1 ?? 0) > 0, 'and connections on which one request follows another');
    for (const reason of Object.keys(report.protocols.http1?.reasons ?? {})) assert.match(reason, REFUSED);
    const late = report.failures.filter(({ atMs }) => atMs > (again?.atMs ?? 0));
    assert.deepEqual(late, []);
    // Whoever's certificate ended first refused; a peer learns no more than that.
    for (const reason of new Set(outboundFailures())) {
      assert.match(reason, /expired|peer refused|handshake of the tunnel failed/);
    }
    for (const { name } of world.hosts) {
      for (const reason of failuresOn(world, name, 'inbound')) assert.match(reason, /expired/i);
    }
  });

  test('end on one host alone: its pods are refused both ways and keep what is open, and those of others lose nothing', async (t) => {
    await using load = await startWebLoad(world, 'client', webPlan(RATE, { on: 'near' }));
    const [to, from] = [addressesOf(GUEST)[0], addressesOf(CALLER)[0]];
    const held = { to: await holdLine(world, 'caller', to), from: await holdLine(world, 'guest', from) };
    const before = {
      inbound: failuresOn(world, 'host-b', 'inbound').length,
      outbound: failuresOn(world, 'host-b', 'outbound').length,
    };
    const nft = (...words: readonly string[]): string => world.network.outputOf('host-b', 'nft', words);
    nft(NO_CONTROLLER);
    const ofHostB = async (): Promise<string[]> =>
      [...(await heldCertificates(world))].flatMap(([key, { state }]) => (key.startsWith('host-b') ? [state] : []));
    await until(
      'those of host-b have ended',
      async () => (await ofHostB()).every((state) => state === 'Unavailable: expired'),
      30_000,
    );
    const calls = await Promise.all([callLine(world, 'caller', to), callLine(world, 'guest', from)]);
    assert.deepEqual(
      calls.map(({ ok }) => ok),
      [false, false],
    );
    await livesOn(world, 'guest', held.to);
    await livesOn(world, 'caller', held.from);
    assert.deepEqual([...new Set(failuresOn(world, 'host-b', 'inbound').slice(before.inbound))], [OWN_EXPIRED]);
    assert.deepEqual([...new Set(failuresOn(world, 'host-b', 'outbound').slice(before.outbound))], [OWN_EXPIRED]);

    nft('delete table inet scenario');
    await until('they are there again', () => areAll('Available'), 60_000);
    for (const { ok, error } of await Promise.all([callLine(world, 'caller', to), callLine(world, 'guest', from)])) {
      assert.ok(ok, error);
    }
    assert.deepEqual([await held.to.release(), await held.from.release()], [undefined, undefined]);
    const report = await load.stop();
    t.diagnostic(summaryOf(report));
    assertNothingLost(report);
  });
});

function failedOf({ protocols }: LoadReport): number {
  return protocols.http1?.failed ?? 0;
}

/** What connections ended with that did not end well, as the agent of `host` recorded it. */
function failuresOn(world: MeshWorld, host: string, direction: 'inbound' | 'outbound'): string[] {
  return accessRecords(world.accessLog(host), direction).flatMap(({ fields }) => fields.get('error') ?? []);
}
