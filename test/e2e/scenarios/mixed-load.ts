import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@ambit/mesh/testing';
import { LoadBackend } from '../load/load-backend.ts';
import { LoadGenerator } from '../load/load-generator.ts';
import { DEFAULT_PLAN, DEFAULT_REQUESTS, type LoadPlan } from '../load/load-plan.ts';
import type { LoadReport } from '../load/load-report.ts';
import type { SpawnProgram } from '../world/apps/app-handle.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import type { Manifest } from './manifests.ts';

/** Four protocols at once before one Service, as long as streams end by themselves before anybody who stops cuts them. */
const STREAM_MS = 2500;
/** How long a waypoint waits for streams, and a backend. */
export const DRAIN_MS = 6000;
/** A backend still accepts for so long after SIGTERM, as a preStop hook makes it: who is told last still calls it. */
const LAME_DUCK_MS = 1000;
const TIMEOUT_MS = 10_000;

export const SERVICE_IP = '10.20.0.1';
/** Ports of the service, and of its pods. */
const PORTS = {
  http: { port: 80, targetPort: 7080, appProtocol: 'http' },
  http2: { port: 81, targetPort: 7081, appProtocol: 'kubernetes.io/h2c' },
  grpc: { port: 82, targetPort: 7082, appProtocol: 'grpc' },
} as const;
export const SERVICE_PORTS: readonly number[] = Object.values(PORTS).map(({ port }) => port);

/** A Service of namespace `shop` with a port for each protocol, before the pods with label `app`. */
export function mixedService(name: string, app: string, clusterIP: string, labels: Manifest = {}): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop', labels },
    spec: {
      clusterIP,
      clusterIPs: [clusterIP],
      selector: { app },
      ports: Object.entries(PORTS).map(([portName, port]) => ({ name: portName, ...port })),
    },
  };
}

/** Load of all protocols on the Service at `SERVICE_IP`: `rate` requests and messages a second together. */
export function mixedPlan(rate: number, seconds: number): LoadPlan {
  const requests = { host: SERVICE_IP, perSecond: rate * 0.35, ...DEFAULT_REQUESTS };
  const streams = { host: SERVICE_IP, perSecond: rate * 0.15, streams: 20, streamMs: STREAM_MS };
  return {
    ...DEFAULT_PLAN,
    timeoutMs: TIMEOUT_MS,
    seconds,
    targets: [
      { protocol: 'http1', port: PORTS.http.port, ...requests },
      { protocol: 'http2', port: PORTS.http2.port, ...requests },
      { protocol: 'grpc', port: PORTS.grpc.port, ...streams },
      { protocol: 'websocket', port: PORTS.http.port, ...streams },
    ],
  };
}

/** Requests that leave later tell of a machine that has no time for the generator. */
const LATE_MS_MAX = 300;

/**
 * Load from that pod at `rate` a second, or half or a quarter of it on a machine that cannot even send so many in time; resolves once all goes
 * and has gone for `steadyMs`.
 */
export async function startKeptLoad(
  world: MeshWorld,
  from: string,
  rate: number,
  steadyMs: number,
  planOf: (rate: number) => LoadPlan,
): Promise<LoadGenerator> {
  for (const share of [1, 2, 4]) {
    const load = await LoadGenerator.start(planOf(rate / share), spawnInPod(world, from));
    await until('everything is answered', async () =>
      Object.values((await load.soFar()).protocols).every(({ answered }) => answered > 10),
    );
    await sleep(steadyMs);
    const { lateMs } = await load.soFar();
    if (lateMs.p99 < LATE_MS_MAX || share === 4) return load;
    console.error(`requests leave ${lateMs.p99} ms late at ${rate / share} a second: fewer are sent`);
    await load[Symbol.asyncDispose]();
  }
  throw new Error('not reached');
}

/** What was sent and what lived across what happened, in one line. */
export function summaryOf({ seconds, protocols, lateMs, events }: LoadReport): string {
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

/** Programs in a pod of namespace `shop` that are told things by line. */
export function spawnInPod(world: MeshWorld, name: string): SpawnProgram {
  return (command, args) =>
    world.network.spawnInPod({ namespace: 'shop', name }, command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** A backend of all protocols in that pod. */
export function startMixedBackend(world: MeshWorld, name: string): Promise<LoadBackend> {
  const { http, http2, grpc } = PORTS;
  const ports = { httpPort: http.targetPort, http2Port: http2.targetPort, grpcPort: grpc.targetPort };
  return LoadBackend.start({ name, ...ports, lameDuckMs: LAME_DUCK_MS, drainMs: DRAIN_MS }, spawnInPod(world, name));
}

/** Lines of the access logs of waypoints about requests that something was wrong with, the first ones of each. */
export function failedRequests(world: MeshWorld): string {
  return [...world.waypoints]
    .map(([name, { accessLogFile }]) => {
      const failed = readFileSync(accessLogFile, 'utf8')
        .split('\n')
        .filter((line) => /\bflags=/.test(line));
      return `--- failed requests of ${name}\n${failed.slice(0, 20).join('\n')}`;
    })
    .join('\n');
}
