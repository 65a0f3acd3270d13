import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadGenerator } from '../load/load-generator.ts';
import { accessRecords } from '../demo/access-log.ts';
import type { HostProcesses, MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { startKeptLoad, summaryOf } from './mixed-load.ts';
import { logsOf } from './scenario.ts';
import { assertNothingLost, WEB_BACKENDS, WEB_STREAM_PORT, webPlan, WebWorld } from './web-load.ts';

/** Short requests a second, a fifth of them on connections of their own. */
const RATE = Number(process.env['AMBIT_LOAD_RPS'] ?? 500);
const STREAMS = 200;
const UPGRADES = 5;
const STEADY_MS = 1500;
const DEADLINE = '120s';
const HOSTS = ['host-a', 'host-b'] as const;

describe('upgrades of node agents under load', { skip: requireSandbox() }, () => {
  let web: WebWorld;
  let world: MeshWorld;

  before(async () => {
    web = await WebWorld.start({
      directory: '/run/scenario-upgrades',
      variables: { AMBIT_TERMINATION_DEADLINE: DEADLINE },
    });
    ({ world } = web);
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(() => web[Symbol.asyncDispose]());

  /** Both hosts, at the same time. Gives back whom the new ones follow, who were told to stop. */
  const upgrade = async (load: LoadGenerator, round: number): Promise<readonly HostProcesses[]> => {
    await load.mark(`upgrade ${round} begins`);
    const followed = await Promise.all(HOSTS.map((host) => world.upgradeNodeAgent(host)));
    await load.mark(`upgrade ${round}: those before stop`);
    for (const { nodeAgent } of followed) nodeAgent.tell('SIGTERM');
    await sleep(STEADY_MS);
    return followed;
  };

  test('lose no request and cut no stream, and both generations serve', async (t) => {
    await using load = await startKeptLoad(world, 'client', RATE, STEADY_MS, (rate) =>
      webPlan(rate, { streams: STREAMS }),
    );
    const followed: (readonly HostProcesses[])[] = [];
    for (let round = 1; round <= UPGRADES; round++) followed.push(await upgrade(load, round));
    const alive = followed.map((agents) => agents.filter(({ nodeAgent }) => nodeAgent.pid !== null).length);
    const report = await load.stop();
    t.diagnostic(summaryOf(report));

    assertNothingLost(report, STREAMS);
    for (const event of report.events) {
      assert.equal(event.answeredAfter.tcp, STREAMS, `all streams lived across: ${JSON.stringify(event)}`);
    }
    assert.equal(report.events.length, 2 * UPGRADES);
    for (const name of WEB_BACKENDS) assert.ok((report.protocols.http1?.servedBy[name] ?? 0) > 0, `${name} was asked`);

    // The first ones carried every stream to its end, and then went by themselves; each that followed carried connections.
    assert.equal(alive[0], HOSTS.length, 'the first agents ran as long as their streams');
    await Promise.all(followed.flat().map(({ nodeAgent }) => nodeAgent.exited));
    const generations = [...followed, HOSTS.map((host) => world.processes(host))];
    const carried = generations.map(([onClientHost]) => carriedBy(onClientHost));
    t.diagnostic(`connections carried by each generation: ${carried.map(({ all }) => all).join(', ')}`);
    assert.equal(carried[0]?.streams, STREAMS);
    for (const { all, streams } of carried.slice(1)) {
      assert.ok(all > 0, 'every generation served new connections');
      assert.equal(streams, 0);
    }
    for (const { nodeAgent } of generations.flat()) assert.doesNotMatch(nodeAgent.log, /\t(error|warn)\t/);
  });
});

/** Connections of the client that this agent carried to their end. */
function carriedBy(agent: HostProcesses | undefined): { readonly all: number; readonly streams: number } {
  const records = accessRecords(readFileSync(agent?.accessLogFile ?? '', 'utf8'), 'outbound');
  const isStream = (address: string | undefined): boolean => address?.endsWith(`:${WEB_STREAM_PORT}`) === true;
  return {
    all: records.length,
    streams: records.filter(({ fields }) => isStream(fields.get('dst.hbone_addr'))).length,
  };
}
