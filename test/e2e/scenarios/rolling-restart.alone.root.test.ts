import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import type { LoadBackend } from '../load/load-backend.ts';
import type { LoadGenerator } from '../load/load-generator.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { type Manifest, ManifestDirectory, namespace, NODES, pod, waypointGateway, waypointPod } from './manifests.ts';
import {
  DRAIN_MS,
  failedRequests,
  mixedPlan,
  mixedService,
  SERVICE_IP,
  startKeptLoad,
  startMixedBackend,
  summaryOf,
} from './mixed-load.ts';
import { logsOf, startMesh } from './scenario.ts';

/** Requests and messages a second, of all protocols together. */
const RATE = Number(process.env['AMBIT_LOAD_RPS'] ?? 1000);
const STEADY_MS = 2000;

const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
const waypointKey = (index: number): string => `shop/wp-ambit-waypoint-${index}`;
const backendName = (index: number): string => `v${index}`;
const INDICES = [1, 2, 3, 4] as const;

/** How pods of one kind are at a moment: those named are there, and those of them that are ready take new connections. */
interface Replicas {
  readonly there: readonly number[];
  readonly ready: readonly number[];
}

function podsOf(waypoints: Replicas, backends: Replicas): readonly Manifest[] {
  return [
    pod(CLIENT),
    ...waypoints.there.map((index) =>
      waypointPod('wp', index, { number: 30 + index, host: 'host-a' }, waypoints.ready.includes(index)),
    ),
    ...backends.there.map((index) =>
      pod({
        name: backendName(index),
        app: 'web',
        serviceAccount: 'web',
        host: 'host-b',
        number: 20 + index,
        isReady: backends.ready.includes(index),
      }),
    ),
  ];
}

describe('a rolling restart under load', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;
  const backends = new Map<number, LoadBackend>();
  let waypointsNow: Replicas = { there: INDICES, ready: [1, 2] };
  let backendsNow: Replicas = { there: INDICES, ready: [1, 2] };

  const write = (): void => manifests.write('pods.yaml', ...podsOf(waypointsNow, backendsNow));
  const startBackend = async (index: number): Promise<void> => {
    backends.set(index, await startMixedBackend(world, backendName(index)));
  };
  const known = (pods: readonly string[]): Promise<void> => world.tunnelled(pods);

  before(async () => {
    manifests = new ManifestDirectory('/run/scenario-rolling-restart');
    const service = mixedService('web', 'web', SERVICE_IP, { 'ambit.dev/waypoint': 'wp' });
    manifests.write('world.yaml', ...NODES, namespace('shop', 'ambient'), ...waypointGateway('wp', 30), service);
    write();
    const backendPods = INDICES.map((index) => `shop/${backendName(index)}`);
    world = await startMesh(manifests, ['shop/client', ...backendPods], {
      idle: [...backendPods, waypointKey(3), waypointKey(4)],
      variables: { waypoint: { AMBIT_TERMINATION_DEADLINE: `${DRAIN_MS}ms` } },
    });
    await Promise.all([startBackend(1), startBackend(2)]);
  });
  afterEach((t) => {
    if (!('passed' in t) || t.passed) return;
    console.error(logsOf(world));
    console.error(failedRequests(world));
  });
  after(async () => {
    for (const backend of backends.values()) await backend[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    manifests[Symbol.dispose]();
  });

  const replaceWaypoint = async (load: LoadGenerator, old: number, fresh: number): Promise<void> => {
    await world.startWaypoint(waypointKey(fresh));
    waypointsNow = { ...waypointsNow, ready: [...waypointsNow.ready, fresh] };
    write();
    await load.mark(`waypoint ${fresh} is ready`);
    await known([waypointKey(fresh)]);
    await sleep(STEADY_MS);
    await load.mark(`waypoint ${old} stops`);
    waypointsNow = { ...waypointsNow, ready: waypointsNow.ready.filter((index) => index !== old) };
    write();
    await world.waypoint(waypointKey(old)).process.stop('SIGTERM');
    waypointsNow = { ...waypointsNow, there: waypointsNow.there.filter((index) => index !== old) };
    write();
  };

  const replaceBackend = async (load: LoadGenerator, old: number, fresh: number): Promise<void> => {
    await startBackend(fresh);
    backendsNow = { ...backendsNow, ready: [...backendsNow.ready, fresh] };
    write();
    await load.mark(`backend ${fresh} is ready`);
    await until('it is asked', async () =>
      Object.values((await load.soFar()).protocols).every(({ servedBy }) => (servedBy[backendName(fresh)] ?? 0) > 0),
    );
    await load.mark(`backend ${old} stops`);
    backendsNow = { ...backendsNow, ready: backendsNow.ready.filter((index) => index !== old) };
    write();
    assert.equal(await backends.get(old)?.leave(), 0, 'nothing had to be cut');
    backendsNow = { ...backendsNow, there: backendsNow.there.filter((index) => index !== old) };
    write();
  };

  const startLoad = (): Promise<LoadGenerator> =>
    startKeptLoad(world, 'client', RATE, STEADY_MS, (rate) => mixedPlan(rate, 300));

  test('of waypoint and backends costs no request and cuts no stream', async (t) => {
    await using load = await startLoad();
    await replaceWaypoint(load, 1, 3);
    await replaceWaypoint(load, 2, 4);
    await replaceBackend(load, 1, 3);
    await replaceBackend(load, 2, 4);
    await sleep(STEADY_MS);
    const report = await load.stop();
    t.diagnostic(summaryOf(report));
    assert.deepEqual(report.failures, [], summaryOf(report));
    for (const [protocol, { sent, answered, streams }] of Object.entries(report.protocols)) {
      assert.deepEqual({ answered, cut: streams.cut }, { answered: sent, cut: 0 }, protocol);
    }
    assert.equal(report.events.length, 8);
    for (const event of report.events) {
      for (const protocol of ['http1', 'http2', 'grpc', 'websocket'] as const) {
        const lived = event.answeredAfter[protocol] ?? 0;
        assert.ok(lived > 0, `connections of ${protocol} were open across: ${JSON.stringify(event)}`);
      }
    }
  });
});

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
