import type { MeshView, Port, Workload } from '@ambit/mesh/model';
import { Cluster, type Endpoint } from './cluster.ts';

/** Callers choose the port, which nobody has declared. Beyond these, ports that nobody uses just now are let go of. */
export const WORKLOAD_PORTS_MAX = 1024;

interface Closable extends Endpoint {
  close(): void;
}

interface Known<E> {
  readonly cluster: Cluster;
  /** Undefined for a workload without an address. */
  readonly endpoint: E | undefined;
  readonly workload: Workload;
}

/** The clusters of workloads that are named by their own addresses, one a port. */
export class WorkloadClusters<E extends Closable> {
  readonly #create: (workload: Workload, port: Port) => E | undefined;
  readonly #known = new Map<string, Known<E>>();

  constructor(create: (workload: Workload, port: Port) => E | undefined) {
    this.#create = create;
  }

  get clusters(): readonly Cluster[] {
    return [...this.#known.values()].map(({ cluster }) => cluster);
  }

  get endpoints(): readonly E[] {
    return [...this.#known.values()].flatMap(({ endpoint }) => endpoint ?? []);
  }

  of(view: MeshView, workload: Workload, port: Port): Cluster {
    const key = `${workload.uid}:${port}`;
    const known = this.#known.get(key);
    if (known?.workload === workload) return known.cluster;
    if (known === undefined && this.#known.size >= WORKLOAD_PORTS_MAX) this.#makeRoom();
    const endpoint = this.#create(workload, port);
    const { namespace, name, hostname } = workload;
    const endpoints = endpoint === undefined ? [] : [endpoint];
    const successor = (): Cluster | undefined => {
      const now = view.workload(workload.uid);
      return now === undefined ? undefined : this.of(view, now, port);
    };
    const service = { namespace, name, hostname };
    const cluster = new Cluster(`${namespace}/${name}:${port}`, service, endpoints, { successor });
    this.#known.set(key, { cluster, endpoint, workload });
    // Only now: who waits there asks for this one at once.
    known?.endpoint?.close();
    return cluster;
  }

  /** Forgets what no workload of the view is any more; the endpoints are to be closed. */
  takeGone(view: MeshView): E[] {
    const gone: E[] = [];
    for (const [key, { workload, endpoint }] of this.#known) {
      if (view.workload(workload.uid) === workload) continue;
      this.#known.delete(key);
      if (endpoint !== undefined) gone.push(endpoint);
    }
    return gone;
  }

  #makeRoom(): void {
    for (const [key, known] of this.#known) {
      if ((known.endpoint?.load ?? 0) > 0) continue;
      this.#forget(key, known);
      return;
    }
  }

  #forget(key: string, { endpoint }: Known<E>): void {
    this.#known.delete(key);
    endpoint?.close();
  }
}
