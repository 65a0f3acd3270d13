import type { AppHandle } from '../../world/apps/app-handle.ts';
import type { Cluster, Manifest } from './cluster.ts';
import { deleteNamespaces, makeNamespaces, type Mode } from './namespace.ts';
import { appPod } from './pods.ts';
import { podApp, readyPods, type RunningPod } from './pod-app.ts';

export interface ScenePlan {
  readonly namespaces: Readonly<Record<string, Mode>>;
  /** Applied once the namespaces are there; those that are bare pods become Ready before the scene opens. */
  readonly objects: readonly Manifest[];
  /** `namespace/name` of the pods that call others; they are of `appPod`. */
  readonly clients: readonly string[];
}

/** The namespaces, pods and clients of one scenario file. */
export class Scene {
  readonly cluster: Cluster;
  readonly #namespaces: readonly string[];
  readonly #pods = new Map<string, RunningPod>();
  readonly #clients = new Map<string, AppHandle>();

  private constructor(cluster: Cluster, namespaces: readonly string[]) {
    this.cluster = cluster;
    this.#namespaces = namespaces;
  }

  /** Resolves when all pods are Ready and all clients run. */
  static async open(cluster: Cluster, { namespaces, objects, clients }: ScenePlan): Promise<Scene> {
    await makeNamespaces(cluster, namespaces);
    const scene = new Scene(cluster, Object.keys(namespaces));
    if (objects.length > 0) await cluster.apply(...objects);
    await scene.awaitPods(objects.filter(({ kind }) => kind === 'Pod').map(nameOf));
    for (const name of clients) await scene.openClient(name);
    return scene;
  }

  /** Ready pods, by `namespace/name`, with the addresses and containers that they have now. */
  async awaitPods(names: readonly string[], timeoutMs?: number): Promise<void> {
    const byNamespace = Map.groupBy(names, (name) => name.slice(0, name.indexOf('/')));
    for (const [namespace, members] of byNamespace) {
      const short = members.map((name) => name.slice(namespace.length + 1));
      for (const pod of await readyPods(this.cluster, namespace, short, timeoutMs)) {
        this.#pods.set(`${namespace}/${pod.name}`, pod);
      }
    }
  }

  /** Starts a client in a pod, again if it had one. */
  async openClient(name: string): Promise<AppHandle> {
    await this.#clients.get(name)?.[Symbol.asyncDispose]();
    const client = await podApp(this.cluster, this.pod(name));
    this.#clients.set(name, client);
    return client;
  }

  pod(name: string): RunningPod {
    return this.#found(this.#pods, name);
  }

  client(name: string): AppHandle {
    return this.#found(this.#clients, name);
  }

  /** Ends the clients and begins to delete the namespaces: the next scenario has others, and those of its own are waited for. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client[Symbol.asyncDispose]()));
    await deleteNamespaces(this.cluster, this.#namespaces, 'begun');
  }

  /** Two pods of an enrolled namespace, of which `client` is on the first node and calls `server` on the second. */
  static openPair(cluster: Cluster, namespace: string): Promise<Scene> {
    const [first, second] = cluster.nodes;
    return Scene.open(cluster, {
      namespaces: { [namespace]: 'ambient' },
      objects: [appPod(namespace, 'client', { node: first }), appPod(namespace, 'server', { node: second })],
      clients: [`${namespace}/client`],
    });
  }

  #found<T>(map: ReadonlyMap<string, T>, name: string): T {
    const value = map.get(name);
    if (value === undefined) throw new Error(`no ${name} in this scene, only ${[...map.keys()].join(', ')}`);
    return value;
  }
}

function nameOf({ metadata }: Manifest): string {
  const { namespace, name } = { namespace: '', name: '', ...(metadata as object) }; // lint: the manifests are our own
  return `${namespace}/${name}`;
}
