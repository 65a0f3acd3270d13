import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LoadBackend } from '../load/load-backend.ts';
import type { LoadGenerator } from '../load/load-generator.ts';
import { DEFAULT_PLAN, DEFAULT_REQUESTS, type LoadPlan } from '../load/load-plan.ts';
import { accessRecords } from '../demo/access-log.ts';
import type { HostProcesses, MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { type Manifest, ManifestDirectory, namespace, NODES, pod } from './manifests.ts';
import { SERVICE_IP, spawnInPod, startKeptLoad, summaryOf } from './mixed-load.ts';
import { logsOf, startMesh } from './scenario.ts';

/** Short requests a second, a fifth of them on connections of their own. */
const RATE = Number(process.env['AMBIT_LOAD_RPS'] ?? 500);
const STREAMS = 200;
const UPGRADES = 5;
const STEADY_MS = 1500;
const DEADLINE = '120s';
const HOSTS = ['host-a', 'host-b'] as const;
/** One beside its callers, one on another host. */
const BACKENDS = [
  { name: 'near', host: 'host-a', number: 20 },
  { name: 'far', host: 'host-b', number: 20 },
] as const;
const PORTS = { http: { port: 80, targetPort: 7080 }, tcp: { port: 83, targetPort: 7083 } } as const;

const service: Manifest = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop' },
  spec: {
    clusterIP: SERVICE_IP,
    clusterIPs: [SERVICE_IP],
    selector: { app: 'web' },
    ports: Object.entries(PORTS).map(([name, port]) => ({ name, ...port })),
  },
};

function planOf(rate: number): LoadPlan {
  return {
    ...DEFAULT_PLAN,
    seconds: 300,
    // A machine that starts two programs meanwhile may be slow, and is not judged here.
    timeoutMs: 20_000,
    targets: [
      { protocol: 'http1', host: SERVICE_IP, port: PORTS.http.port, perSecond: rate, ...DEFAULT_REQUESTS },
      { protocol: 'tcp', host: SERVICE_IP, port: PORTS.tcp.port, perSecond: STREAMS, streams: STREAMS, streamMs: null },
    ],
  };
}

describe('upgrades of node agents under load', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;
  const backends: LoadBackend[] = [];

  before(async () => {
    manifests = new ManifestDirectory('/run/scenario-upgrades');
    const pods = BACKENDS.map((backend) => pod({ ...backend, app: 'web', serviceAccount: 'web' }));
    const client = pod({ name: 'client', host: 'host-a', number: 10 });
    manifests.write('world.yaml', ...NODES, namespace('shop', 'ambient'), client, ...pods, service);
    const keys = BACKENDS.map(({ name }) => `shop/${name}`);
    world = await startMesh(manifests, ['shop/client', ...keys], {
      idle: keys,
      variables: { 'node-agent': { AMBIT_TERMINATION_DEADLINE: DEADLINE } },
    });
    for (const { name } of BACKENDS) {
      const ports = { httpPort: PORTS.http.targetPort, tcpPort: PORTS.tcp.targetPort };
      backends.push(await LoadBackend.start({ name, ...ports, lameDuckMs: 0, drainMs: 0 }, spawnInPod(world, name)));
    }
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(async () => {
    for (const backend of backends) await backend[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    manifests[Symbol.dispose]();
  });

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
    await using load = await startKeptLoad(world, 'client', RATE, STEADY_MS, planOf);
    const followed: (readonly HostProcesses[])[] = [];
    for (let round = 1; round <= UPGRADES; round++) followed.push(await upgrade(load, round));
    const alive = followed.map((agents) => agents.filter(({ nodeAgent }) => nodeAgent.pid !== null).length);
    const report = await load.stop();
    t.diagnostic(summaryOf(report));

    assert.deepEqual(report.failures, [], summaryOf(report));
    const { http1, tcp } = report.protocols;
    assert.deepEqual([http1?.answered, tcp?.answered], [http1?.sent, tcp?.sent]);
    assert.deepEqual([tcp?.streams.opened, tcp?.streams.cut], [STREAMS, 0]);
    for (const event of report.events) {
      assert.equal(event.answeredAfter.tcp, STREAMS, `all streams lived across: ${JSON.stringify(event)}`);
    }
    assert.equal(report.events.length, 2 * UPGRADES);
    for (const { name } of BACKENDS) assert.ok((http1?.servedBy[name] ?? 0) > 0, `${name} was asked`);

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
  const isStream = (address: string | undefined): boolean => address?.endsWith(`:${PORTS.tcp.targetPort}`) === true;
  return {
    all: records.length,
    streams: records.filter(({ fields }) => isStream(fields.get('dst.hbone_addr'))).length,
  };
}
