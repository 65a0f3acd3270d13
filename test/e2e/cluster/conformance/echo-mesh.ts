import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Manifest } from '../harness/cluster.ts';
import { type Echoed, parseEchoed } from './echoed.ts';
import { MESH } from './world.ts';

/** As often in a row as the suite asks for, within longer: the API server is slow for a while after definitions have changed. */
const SUCCESSES_IN_A_ROW = 3;
const CONSISTENT_MS = 60_000;
const PAUSE_MS = 200;
const CALL_MS = 20_000;
export const GRPC_PORT = 7070;

export interface EchoRequest {
  /** `http://echo/path`, `ws://…`, `grpc://…`. */
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 1. */
  readonly count?: number;
  /** HTTP/2 with prior knowledge. */
  readonly http2?: boolean;
}

/** The suite's pods, and routes that are put before their Services for the time of a test. */
export class EchoMesh {
  readonly #cluster: Cluster;
  readonly #client: string;

  private constructor(cluster: Cluster, client: string) {
    this.#cluster = cluster;
    this.#client = client;
  }

  /** @throws Error when the suite's pods are not there. */
  static async find(cluster: Cluster): Promise<EchoMesh> {
    return new EchoMesh(cluster, await podOf(cluster, 'v1'));
  }

  async request({ url, method, headers = {}, count = 1, http2 = false }: EchoRequest): Promise<readonly Echoed[]> {
    const args = [
      url,
      ...(method === undefined ? [] : [`--method=${method}`]),
      // In quotes, for else the client takes commas as the ends of headers.
      ...Object.entries(headers).flatMap(([name, value]) => ['-H', `"${name}:${value}"`]),
      `--count=${count}`,
      ...(http2 ? ['--http2'] : []),
    ];
    const exec = ['-n', MESH, 'exec', this.#client, '-c', 'echo', '--', 'client', ...args];
    return parseEchoed(await this.#cluster.kubectl(exec, { timeoutMs: CALL_MS }));
  }

  /** Until `check` is content several times in a row. @throws what it threw last. */
  async eventually(request: EchoRequest, check: (responses: readonly Echoed[]) => void): Promise<void> {
    const until = performance.now() + CONSISTENT_MS;
    let inARow = 0;
    while (inARow < SUCCESSES_IN_A_ROW) {
      try {
        check(await this.request(request));
        inARow += 1;
      } catch (error) {
        inARow = 0;
        if (performance.now() > until) throw error;
        await sleep(PAUSE_MS);
      }
    }
  }

  /** Applies objects of the suite's namespace, does `work`, and deletes them again. */
  async with(objects: readonly Manifest[], work: () => Promise<void>): Promise<void> {
    await this.#cluster.apply(...objects);
    try {
      await work();
    } finally {
      const items = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
      await this.#cluster.kubectl(['delete', '--ignore-not-found', '-f', '-'], { input: items });
    }
  }

  /** What the pod of a version has logged in the last minute. */
  async logOf(version: 'v1' | 'v2'): Promise<string> {
    const pod = await podOf(this.#cluster, version);
    return await this.#cluster.kubectl(['-n', MESH, 'logs', pod, '-c', 'echo', '--since=60s']);
  }
}

/** A route before Service `echo`, at its port for HTTP. */
export function routeOf(name: string, rules: readonly unknown[]): Manifest {
  return routeAt('HTTPRoute', 80, name, rules);
}

/** A route before Service `echo`, at its port for gRPC. */
export function grpcRouteOf(name: string, rules: readonly unknown[]): Manifest {
  return routeAt('GRPCRoute', GRPC_PORT, name, rules);
}

function routeAt(kind: string, port: number, name: string, rules: readonly unknown[]): Manifest {
  return {
    ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { name, namespace: MESH } },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: 'echo', port }], rules },
  };
}

/** Where a rule sends requests. */
export function to(name: string, port = 80): { readonly name: string; readonly port: number } {
  return { name, port };
}

async function podOf(cluster: Cluster, version: string): Promise<string> {
  const which = ['-n', MESH, 'pods', '-l', `app=echo,version=${version}`];
  const name = await cluster.read(which, '{.items[0].metadata.name}');
  if (name === '') throw new Error(`there is no pod of echo-${version}: the suite has not made it, or has removed it`);
  return name;
}
