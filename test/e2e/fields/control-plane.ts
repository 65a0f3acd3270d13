import assert from 'node:assert/strict';
import { keyOf, type MeshObject, type ObjectKey, type ObjectObserver, parseObject } from '@ambit/mesh/kinds';
import { parseServiceKey, parseTrustDomain, parseWorkloadUid, type MeshViewUpdate } from '@ambit/mesh/model';
import type { PolicySetName } from '@ambit/mesh/policies';
import { parseBackend, parsePolicySet, parseServiceRoutes, parseSessionKeys } from '@ambit/mesh/route-wire';
import { SESSION_KEY_BYTES } from '@ambit/mesh/routes';
import { Metrics, silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { type DiscoveryResource, parsePushedResource } from '@ambit/mesh/wire';
import { Pipeline } from '../../../controller/src/pipeline.ts';
import { type ResourceStore, resourceFor } from '../../../controller/src/push/resource-store.ts';
import type { MeshSettings } from '../../../controller/src/translate/mesh-settings.ts';
import type { WorkerCalls } from '../../../waypoint/src/worker/worker-protocol.ts';
import type { Json } from './fields.ts';

/** What a waypoint is sent of a change. */
export interface Pushed {
  readonly backends: WorkerCalls['set-backends']['args'];
  /** Undefined: those of before. */
  readonly sessionKeys: WorkerCalls['set-session-keys']['args'] | undefined;
  readonly configuration: WorkerCalls['configure']['args'];
}

interface Differences {
  readonly put: readonly DiscoveryResource[];
  readonly removed: readonly string[];
}

export const SETTINGS: MeshSettings = {
  clusterId: 'Kubernetes',
  clusterDomain: 'cluster.local',
  trustDomain: parseTrustDomain('cluster.local'),
  rootNamespace: 'ambit-system',
  defaultNetwork: '',
  excludedNamespaces: [],
};
/** Enough for changes to be gathered. */
const GATHERED_MS = 100;

/** A controller from its objects to the resources of one waypoint, without the stream between the two. */
export class ControlPlane implements Disposable {
  readonly pipeline: Pipeline;
  readonly #reader: { readonly node: string; readonly gateway: string };
  readonly #clock = new ManualClock();
  readonly #stop = new AbortController();
  readonly #objects = new Map<ObjectKey, { readonly text: string; readonly object: MeshObject }>();
  readonly #versions = new Map<ResourceStore, ReadonlyMap<string, string>>();
  #observer: ObjectObserver | undefined;

  private constructor(reader: { readonly node: string; readonly gateway: string }) {
    this.#reader = reader;
    this.pipeline = new Pipeline({
      source: { watch: async (observer) => void (this.#observer = observer) },
      settings: SETTINGS,
      clock: this.#clock,
      logger: silentLogger,
      metrics: new Metrics(),
      onProblems: () => {},
    });
  }

  /** For the waypoints of a Gateway, `<namespace>/<name>`, on a node. */
  static async start(node: string, gateway: string): Promise<ControlPlane> {
    const plane = new ControlPlane({ node, gateway });
    plane.pipeline.useSessionSecrets([new Uint8Array(SESSION_KEY_BYTES)]);
    await plane.pipeline.start(plane.#stop.signal);
    return plane;
  }

  /** Makes these all objects that there are. @throws KindError when one of them cannot be read; then nothing has changed. */
  async apply(objects: readonly Json[]): Promise<Pushed> {
    const wanted = new Map<ObjectKey, { readonly text: string; readonly object: MeshObject }>();
    for (const json of objects) {
      const object = parseObject(json) ?? assert.fail(`nobody reads ${JSON.stringify(json)}`);
      wanted.set(keyOf(object), { text: JSON.stringify(json), object });
    }
    const gone = [...this.#objects].filter(([key]) => !wanted.has(key));
    const changed = [...wanted].filter(([key, { text }]) => this.#objects.get(key)?.text !== text);
    this.#observer?.onChanges([
      ...gone.map(([key, { object }]) => ({ kind: 'delete', key, last: object }) as const),
      ...changed.map(([, { object }]) => ({ kind: 'put', object }) as const),
    ]);
    for (const [key] of gone) this.#objects.delete(key);
    for (const [key, value] of changed) this.#objects.set(key, value);
    await this.#clock.advance(GATHERED_MS);
    return this.#pushed();
  }

  /** `<kind>/<namespace>/<name>` */
  object(key: string): MeshObject | undefined {
    return [...this.#objects].find(([own]) => own === key)?.[1].object;
  }

  get objects(): Iterable<MeshObject> {
    return [...this.#objects.values()].map(({ object }) => object);
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  #pushed(): Pushed {
    const { addresses, backends, routes, policySets, sessionKeys } = this.pipeline;
    const secured = this.#differences(backends);
    const routed = this.#differences(routes);
    const policies = this.#differences(policySets);
    return {
      sessionKeys: this.#differences(sessionKeys).put.map(parseSessionKeys)[0],
      backends: { put: secured.put.map(parseBackend), removed: secured.removed.map(parseServiceKey) },
      configuration: {
        update: viewUpdate(this.#differences(addresses)),
        routes: { put: routed.put.map(parseServiceRoutes), removed: routed.removed.map(parseServiceKey) },
        policySets: { put: policies.put.map(parsePolicySet), removed: policies.removed as readonly PolicySetName[] },
      },
    };
  }

  /** What the waypoint has not been sent yet. */
  #differences(store: ResourceStore): Differences {
    const before = this.#versions.get(store) ?? new Map<string, string>();
    const seen = [...store.names()].flatMap((name) => resourceFor(this.#reader, store.get(name)) ?? []);
    this.#versions.set(store, new Map(seen.map(({ name, version }) => [name, version])));
    return {
      put: seen.filter(({ name, version }) => before.get(name) !== version),
      removed: [...before.keys()].filter((name) => !seen.some((one) => one.name === name)),
    };
  }
}

function viewUpdate({ put, removed }: Differences): MeshViewUpdate {
  const objects = put.map(parsePushedResource);
  // A service is namespace/hostname; the name of a workload has more parts.
  const isWorkload = (name: string): boolean => name.split('/').length > 2;
  return {
    workloads: objects.flatMap((object) => (object.kind === 'workload' ? [object.workload] : [])),
    services: objects.flatMap((object) => (object.kind === 'service' ? [object.service] : [])),
    removedWorkloads: removed.filter(isWorkload).map(parseWorkloadUid),
    removedServices: removed.filter((name) => !isWorkload(name)).map(parseServiceKey),
  };
}
