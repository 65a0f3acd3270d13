import assert from 'node:assert/strict';
import { until } from '@ambit/mesh/testing';
import { LoadBackend } from '../load/load-backend.ts';
import { LoadGenerator } from '../load/load-generator.ts';
import { DEFAULT_PLAN, DEFAULT_REQUESTS, type LoadPlan } from '../load/load-plan.ts';
import type { LoadReport } from '../load/load-report.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { addressesOf, type Manifest, ManifestDirectory, namespace, NODES, pod } from './manifests.ts';
import { SERVICE_IP, spawnInPod, summaryOf } from './mixed-load.ts';
import { startMesh } from './scenario.ts';

// A Service before a pod of each host, and open-loop load on it: short requests, a fifth on connections of their own, and streams as long as
// the run.

const PORTS = { http: { port: 80, targetPort: 7080 }, tcp: { port: 83, targetPort: 7083 } } as const;
const BACKENDS = [
  { name: 'near', host: 'host-a', number: 20 },
  { name: 'far', host: 'host-b', number: 20 },
] as const;
export const WEB_BACKENDS: readonly string[] = BACKENDS.map(({ name }) => name);
/** Of the Service, as `<namespace>/<name>`; and of all that a `WebWorld` has by itself. */
const BACKEND_PODS: readonly string[] = WEB_BACKENDS.map((name) => `shop/${name}`);
export const WEB_PODS: readonly string[] = ['shop/client', ...BACKEND_PODS];
export const WEB_STREAMS = 20;
/** What a node agent calls the destination of a stream by. */
export const WEB_STREAM_PORT: number = PORTS.tcp.targetPort;

/** The Service `web` at `SERVICE_IP`, its pods, and the pod `client` of host-a. */
const WEB_MANIFESTS: readonly Manifest[] = [
  pod({ name: 'client', host: 'host-a', number: 10 }),
  ...BACKENDS.map((backend) => pod({ ...backend, app: 'web', serviceAccount: 'web' })),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      clusterIP: SERVICE_IP,
      clusterIPs: [SERVICE_IP],
      selector: { app: 'web' },
      ports: Object.entries(PORTS).map(([name, port]) => ({ name, ...port })),
    },
  },
];

export interface WebWorldOptions {
  /** Where its manifests are. */
  readonly directory: string;
  /** Writes what there is beside its own, before anything starts. */
  readonly write?: (manifests: ManifestDirectory) => void;
  /** Captured pods beside `WEB_PODS`, as `<namespace>/<name>`. */
  readonly pods?: readonly string[];
  /** Of the node agents. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** The namespace `shop` with the Service `web`, which is answered, the pod `client`, and whatever else a scenario has. */
export class WebWorld implements AsyncDisposable {
  readonly manifests: ManifestDirectory;
  readonly world: MeshWorld;
  readonly #scope: AsyncDisposableStack;

  private constructor(manifests: ManifestDirectory, world: MeshWorld, scope: AsyncDisposableStack) {
    this.manifests = manifests;
    this.world = world;
    this.#scope = scope;
  }

  static async start({ directory, write, pods = [], variables = {} }: WebWorldOptions): Promise<WebWorld> {
    await using scope = new AsyncDisposableStack();
    const manifests = scope.use(new ManifestDirectory(directory));
    manifests.write('world.yaml', ...NODES, namespace('shop', 'ambient'), ...WEB_MANIFESTS);
    write?.(manifests);
    const enrolled = [...WEB_PODS, ...pods];
    const options = { idle: BACKEND_PODS, variables: { 'node-agent': variables } };
    const world = scope.use(await startMesh(manifests, enrolled, options));
    const ports = { httpPort: PORTS.http.targetPort, tcpPort: PORTS.tcp.targetPort };
    for (const name of WEB_BACKENDS) {
      const backend = { name, ...ports, lameDuckMs: 0, drainMs: 0 };
      scope.use(await LoadBackend.start(backend, spawnInPod(world, name)));
    }
    return new WebWorld(manifests, world, scope.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
  }
}

export interface WebPlanOptions {
  /** On the Service or on its pod of host-a alone. */
  readonly on?: 'service' | 'near';
  readonly streams?: number;
}

/** `rate` requests a second, until it is stopped. */
export function webPlan(rate: number, { on = 'service', streams = WEB_STREAMS }: WebPlanOptions = {}): LoadPlan {
  const { http, tcp } = PORTS;
  const [near] = addressesOf(BACKENDS[0]);
  const [host, port] = on === 'near' ? ([near, 'targetPort'] as const) : ([SERVICE_IP, 'port'] as const);
  return {
    ...DEFAULT_PLAN,
    seconds: 300,
    // A machine with other work on it may be slow, and is not judged here.
    timeoutMs: 20_000,
    targets: [
      { protocol: 'http1', host, port: http[port], perSecond: rate, ...DEFAULT_REQUESTS },
      { protocol: 'tcp', host, port: tcp[port], perSecond: streams, streams, streamMs: null },
    ],
  };
}

/** `plan` without its streams. */
export function requestsOnly(plan: LoadPlan): LoadPlan {
  return { ...plan, targets: plan.targets.filter(({ protocol }) => protocol === 'http1') };
}

/** Load of `plan` from that pod; resolves once requests are answered and all streams are open. */
export async function startWebLoad(world: MeshWorld, from: string, plan: LoadPlan): Promise<LoadGenerator> {
  const load = await LoadGenerator.start(plan, spawnInPod(world, from));
  await moreAnswered(load, 30);
  const streams = plan.targets.some(({ protocol }) => protocol === 'tcp') ? WEB_STREAMS : 0;
  await until('streams are open', async () => ((await load.soFar()).protocols.tcp?.streams.opened ?? 0) === streams);
  return load;
}

/** Resolves when `count` more requests are answered. */
export async function moreAnswered(load: LoadGenerator, count: number): Promise<void> {
  const answered = async (): Promise<number> => (await load.soFar()).protocols.http1?.answered ?? 0;
  const before = await answered();
  await until(`${count} more requests are answered`, async () => (await answered()) >= before + count);
}

/** Resolves once `count` requests were answered in a row while none failed. */
export async function untilSpared(load: LoadGenerator, count: number): Promise<void> {
  const failed = async (): Promise<number> => (await load.soFar()).protocols.http1?.failed ?? 0;
  await until('nothing fails any more', async () => {
    const before = await failed();
    await moreAnswered(load, count);
    return (await failed()) === before;
  });
}

/** As `/config_dump` shows a certificate. */
export interface HeldCertificate {
  readonly identity: string;
  readonly state: string;
  readonly certChain: readonly {
    readonly pem: string;
    readonly serialNumber: string;
    readonly expirationTime: string;
  }[];
}

/** The certificates of all agents, by `<host> <identity>`. */
export async function heldCertificates(world: MeshWorld): Promise<ReadonlyMap<string, HeldCertificate>> {
  const all = new Map<string, HeldCertificate>();
  for (const { name } of world.hosts) {
    const dump: { readonly certificates: readonly HeldCertificate[] } = JSON.parse(
      (await world.ask(name, 'admin', '/config_dump')) ?? '{"certificates":[]}',
    );
    for (const certificate of dump.certificates) all.set(`${name} ${certificate.identity}`, certificate);
  }
  return all;
}

/** Every request was answered and every stream lived as long as the run. */
export function assertNothingLost(report: LoadReport, streams: number = WEB_STREAMS): void {
  assert.deepEqual(report.failures, [], summaryOf(report));
  const { http1, tcp } = report.protocols;
  assert.deepEqual([http1?.answered, tcp?.answered], [http1?.sent, tcp?.sent]);
  assert.deepEqual([tcp?.streams.opened, tcp?.streams.cut], [streams, 0]);
}
