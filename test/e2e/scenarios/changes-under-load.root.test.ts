import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import type { LoadGenerator } from '../load/load-generator.ts';
import type { LoadReport } from '../load/load-report.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { SecondNodeAgent } from '../world/second-node-agent.ts';
import { addressesOf, egressPolicy, type Manifest, type ManifestDirectory, pod, type PodOptions } from './manifests.ts';
import { summaryOf } from './mixed-load.ts';
import { callLine, logsOf } from './scenario.ts';
import { assertNothingLost, moreAnswered, startWebLoad, WEB_PODS, WEB_STREAMS, webPlan, WebWorld } from './web-load.ts';

// What changes is about others than those who send: not one of their requests may fail, a fifth of which have a connection of their own.

/** A second; few, as this promises no rate. */
const RATE = 60;
const GUEST = { name: 'guest', host: 'host-b', number: 30 } as const;
const CALLER = { name: 'caller', host: 'host-a', number: 11 } as const;
const ENROLLED = [...WEB_PODS, 'shop/caller'];
/** How a connection of the one that was killed ends. */
const CONNECTION_BROKE = /^(ECONNRESET|EPIPE|socket hang up|aborted)/;

describe('a mesh that changes under load', { skip: requireSandbox() }, () => {
  let web: WebWorld;
  let manifests: ManifestDirectory;
  let world: MeshWorld;

  const writeGuest = (mode: NonNullable<PodOptions['mode']>, directory = manifests): void =>
    directory.write('guest.yaml', pod({ ...GUEST, mode }));

  before(async () => {
    web = await WebWorld.start({
      directory: '/run/scenario-changes',
      write: (directory) => {
        directory.write('caller.yaml', pod(CALLER));
        writeGuest('none', directory);
      },
      pods: ['shop/caller'],
      variables: { AMBIT_WORKERS: '2' },
    });
    ({ manifests, world } = web);
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(() => web[Symbol.asyncDispose]());

  /** The load's report of the time in which `change` runs, and of as many more requests as show that all goes on. */
  async function during(change: (load: LoadGenerator) => Promise<void>): Promise<LoadReport> {
    await using load = await startWebLoad(world, 'client', webPlan(RATE));
    await change(load);
    await moreAnswered(load, RATE / 2);
    return await load.stop();
  }

  test('pods are enrolled and released: their neighbours lose nothing, and they themselves are called before and after', async (t) => {
    const [guest] = addressesOf(GUEST);
    const report = await during(async () => {
      for (let round = 0; round < 3; round++) {
        writeGuest('ambient');
        await world.captured([...ENROLLED, 'shop/guest']);
        await world.tunnelled(['shop/guest']);
        assert.equal((await callLine(world, 'caller', guest)).servedBy, 'guest');
        writeGuest('none');
        await world.captured(ENROLLED);
        await until(
          'it is called outside the mesh',
          async () => (await callLine(world, 'caller', guest, 'x', 1000)).ok,
        );
      }
    });
    t.diagnostic(summaryOf(report));
    assertNothingLost(report);
  });

  test('workloads come and go by hundreds, for two workers: nothing is lost, and the last ones are known', async (t) => {
    const machines = (count: number, turn: number): Manifest[] =>
      Array.from({ length: count }, (_, i) => ({
        apiVersion: 'ambit.dev/v1alpha1',
        kind: 'ExternalWorkload',
        metadata: { name: `machine-${i}`, namespace: 'shop' },
        spec: { addresses: [`10.9.${turn}.${i + 1}`] },
      }));
    const report = await during(async () => {
      for (let turn = 1; turn <= 8; turn++) {
        const all = machines(turn % 2 === 0 ? 20 : 200, turn);
        manifests.write('machines.yaml', ...all);
        const last = `10.9.${turn}.${all.length}`;
        await until(`every node agent knows ${last}`, async () => {
          const dumps = await Promise.all(world.hosts.map(({ name }) => world.ask(name, 'admin', '/config_dump')));
          return dumps.every((dump) => dump?.includes(`"${last}"`) === true && !dump.includes(`"10.9.${turn - 1}.1"`));
        });
      }
    });
    manifests.remove('machines.yaml');
    t.diagnostic(summaryOf(report));
    assertNothingLost(report);
  });

  test('egress is locked and opened: what stays in the mesh loses nothing', async (t) => {
    // The address of a host, which nobody in the mesh has.
    const outside = world.network.linkAddress('host-b');
    const refusals = (): number => world.accessLog('host-a').split('egress of the workload is locked').length;
    const report = await during(async () => {
      for (let round = 0; round < 3; round++) {
        const before = refusals();
        manifests.write('egress.yaml', egressPolicy('shop', { unknownDestinations: 'Refuse' }));
        await until('it is locked', async () => {
          await callLine(world, 'caller', outside, 'x', 1000);
          return refusals() > before;
        });
        assert.ok((await callLine(world, 'caller', addressesOf(GUEST)[0])).ok, 'who is known is called');
        manifests.remove('egress.yaml');
      }
    });
    t.diagnostic(summaryOf(report));
    assertNothingLost(report);
  });

  test('one of two node agents is killed: what is open in it is lost and nothing else, and its slot is served again', async (t) => {
    const second = new SecondNodeAgent(world, 'host-a');
    await second.start();
    let lost = 0;
    const report = await during(async (load) => {
      await load.mark('one is killed');
      await second.process.stop('SIGKILL');
      const { protocols } = await until('others answer', async () => {
        const report = await load.soFar();
        return (
          (report.events[0]?.answeredAfter.tcp ?? 0) + (report.protocols.tcp?.streams.cut ?? 0) === WEB_STREAMS &&
          report
        );
      });
      assert.ok((protocols.tcp?.streams.cut ?? 0) > 0);
      lost = (await load.soFar()).failures.length;
      const before = second.recordCount;
      await second.start();
      await until('it carries connections again', () => second.recordCount > before);
    });
    t.diagnostic(summaryOf(report));
    const { http1, tcp } = report.protocols;
    const [killed] = report.events;
    assert.equal(report.failures.length, lost, `nothing is lost later: ${JSON.stringify(report.failures)}`);
    assert.equal(killed?.open.tcp, WEB_STREAMS);
    assert.equal(tcp?.streams.cut, WEB_STREAMS - (killed.answeredAfter.tcp ?? 0), 'who was not cut lived on');
    assert.ok((killed.answeredAfter.tcp ?? 0) > 0, 'the other one carries as many');
    // Requests that were on their way in it end with their connections; none was refused, and none was without an answer.
    for (const { protocol, reason } of report.failures) {
      if (protocol === 'http1') assert.match(reason, CONNECTION_BROKE);
    }
    assert.deepEqual(http1?.answered, (http1?.sent ?? 0) - (http1?.failed ?? 0));
  });
});
