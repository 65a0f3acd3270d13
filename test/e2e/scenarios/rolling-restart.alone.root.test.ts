import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { LoadBackend } from '../load/load-backend.ts';
import { LoadGenerator } from '../load/load-generator.ts';
import { DEFAULT_PLAN, DEFAULT_REQUESTS, type LoadPlan, type LoadTarget } from '../load/load-plan.ts';
import type { LoadReport } from '../load/load-report.ts';
import type { SpawnProgram } from '../world/apps/app-handle.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { type Manifest, ManifestDirectory, namespace, NODES, pod, waypointGateway, waypointPod } from './manifests.ts';
import { logsOf, startMesh } from './scenario.ts';

/** Requests and messages a second, of all protocols together. */
const RATE = Number(process.env['AMBIT_LOAD_RPS'] ?? 1000);
/** How long a waypoint waits for streams, and a backend. */
const DRAIN_MS = 6000;
/** Streams end by themselves before that. */
const STREAM_MS = 2500;
/** A backend still accepts for so long, as a preStop hook makes it: who is told last still calls it. */
const LAME_DUCK_MS = 1000;
const STEADY_MS = 2000;
/** Requests that leave later tell of a machine that has no time for the generator. */
const LATE_MS_MAX = 300;

const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
const SERVICE_IP = '10.20.0.1';
/** Ports of the service, and of its pods. */
const PORTS = {
  http: { port: 80, targetPort: 7080, appProtocol: 'http' },
  http2: { port: 81, targetPort: 7081, appProtocol: 'kubernetes.io/h2c' },
  grpc: { port: 82, targetPort: 7082, appProtocol: 'grpc' },
} as const;
const SERVICE: Manifest = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop', labels: { 'ambit.dev/waypoint': 'wp' } },
  spec: {
    clusterIP: SERVICE_IP,
    clusterIPs: [SERVICE_IP],
    selector: { app: 'web' },
    ports: Object.entries(PORTS).map(([name, port]) => ({ name, ...port })),
  },
};
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

function planOf(rate: number, seconds: number): LoadPlan {
  const requests = { host: SERVICE_IP, perSecond: rate * 0.35, ...DEFAULT_REQUESTS };
  const streams = { host: SERVICE_IP, perSecond: rate * 0.15, streams: 20, streamMs: STREAM_MS };
  const targets: readonly LoadTarget[] = [
    { protocol: 'http1', port: PORTS.http.port, ...requests },
    { protocol: 'http2', port: PORTS.http2.port, ...requests },
    { protocol: 'grpc', port: PORTS.grpc.port, ...streams },
    { protocol: 'websocket', port: PORTS.http.port, ...streams },
  ];
  return { ...DEFAULT_PLAN, timeoutMs: 10_000, seconds, targets };
}

describe('a rolling restart under load', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;
  const backends = new Map<number, LoadBackend>();
  let waypointsNow: Replicas = { there: INDICES, ready: [1, 2] };
  let backendsNow: Replicas = { there: INDICES, ready: [1, 2] };

  const write = (): void => manifests.write('pods.yaml', ...podsOf(waypointsNow, backendsNow));
  const spawnIn =
    (name: string): SpawnProgram =>
    (command, args) =>
      world.network.spawnInPod({ namespace: 'shop', name }, command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const startBackend = async (index: number): Promise<void> => {
    const name = backendName(index);
    const { http, http2, grpc } = PORTS;
    const ports = { httpPort: http.targetPort, http2Port: http2.targetPort, grpcPort: grpc.targetPort };
    const options = { name, ...ports, lameDuckMs: LAME_DUCK_MS, drainMs: DRAIN_MS };
    backends.set(index, await LoadBackend.start(options, spawnIn(name)));
  };
  const known = (pods: readonly string[]): Promise<void> => world.tunnelled(pods);

  before(async () => {
    manifests = new ManifestDirectory('/run/scenario-rolling-restart');
    manifests.write('world.yaml', ...NODES, namespace('shop', 'ambient'), ...waypointGateway('wp', 30), SERVICE);
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
    for (const [name, { accessLogFile }] of world.waypoints) {
      const failed = readFileSync(accessLogFile, 'utf8')
        .split('\n')
        .filter((line) => /\bflags=/.test(line));
      console.error(`--- failed requests of ${name}\n${failed.slice(0, 20).join('\n')}`);
    }
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

  /** At the rate that was asked for, or half or a quarter of it on a machine that cannot even send so many in time. */
  const startLoad = async (): Promise<LoadGenerator> => {
    for (const share of [1, 2, 4]) {
      const load = await LoadGenerator.start(planOf(RATE / share, 300), spawnIn('client'));
      await until('everything is answered', async () =>
        Object.values((await load.soFar()).protocols).every(({ answered }) => answered > 10),
      );
      await sleep(STEADY_MS);
      const { lateMs } = await load.soFar();
      if (lateMs.p99 < LATE_MS_MAX || share === 4) return load;
      console.error(`requests leave ${lateMs.p99} ms late at ${RATE / share} a second: fewer are sent`);
      await load[Symbol.asyncDispose]();
    }
    throw new Error('not reached');
  };

  test('of waypoint and backends costs no request and cuts no stream', async (t) => {
    await using load = await startLoad();
    await replaceWaypoint(load, 1, 3);
    await replaceWaypoint(load, 2, 4);
    await replaceBackend(load, 1, 3);
    await replaceBackend(load, 2, 4);
    await sleep(STEADY_MS);
    const report = await load.stop();
    t.diagnostic(summary(report));
    assert.deepEqual(report.failures, [], summary(report));
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

function summary({ seconds, protocols, lateMs, events }: LoadReport): string {
  const sent = Object.values(protocols).reduce((sum, protocol) => sum + protocol.sent, 0);
  const each = Object.entries(protocols).map(
    ([name, { sent: count, connections, latencyMs }]) =>
      `${name} ${count} on ${connections.opened} connections, p50 ${latencyMs.p50}, p99 ${latencyMs.p99}, max ${latencyMs.max} ms`,
  );
  const across = events.map(
    ({ name, atMs, answeredAfter }) => `${atMs} ${name}: ${Object.values(answeredAfter).join('/')}`,
  );
  return [`${(sent / seconds).toFixed(0)} a second, late p99 ${lateMs.p99} ms`, ...each, ...across].join('; ');
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
