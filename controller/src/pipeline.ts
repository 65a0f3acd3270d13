import type { ObjectChange, ObjectKey, ObjectProblem, ObjectSource } from '@ambit/mesh/kinds';
import type { Clock, Logger, Metrics } from '@ambit/mesh/runtime';
import {
  BACKEND_TYPE_URL,
  POLICY_SET_TYPE_URL,
  SERVICE_ROUTES_TYPE_URL,
  SESSION_KEYS_TYPE_URL,
} from '@ambit/mesh/route-wire';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL, type PushedObject, RANGES_TYPE_URL } from '@ambit/mesh/wire';
import type { Collection } from './collections/collection.ts';
import { CollectionGraph, type SourceCollection } from './collections/collection-graph.ts';
import { deriveFronts } from './collections/front-routes.ts';
import { deriveMesh } from './collections/mesh-collections.ts';
import { deriveBackends, deriveRoutes } from './collections/route-collections.ts';
import { RouteWorlds } from './collections/route-worlds.ts';
import { applyChanges, createObjectCollections, type ObjectCollections } from './collections/object-collections.ts';
import { deriveSessionKeys, type SessionSecrets } from './collections/session-key-collections.ts';
import { createWorkloadsByNode, type WorkloadsByNode } from './collections/workloads-by-node.ts';
import { createPipelineMetrics, type PipelineMetrics } from './pipeline-metrics.ts';
import { encodeResource, sameResource, type ServedObject } from './push/encode-resource.ts';
import { type PushResource, ResourceStore } from './push/resource-store.ts';
import type { MeshSettings } from './translate/mesh-settings.ts';
import type { RouteWorld } from './translate/route-world.ts';
import { UnreadablePolicies } from './unreadable-policies.ts';

export interface PipelineOptions {
  readonly source: ObjectSource;
  readonly settings: MeshSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Called once per problem list of the source. */
  readonly onProblems: (problems: readonly ObjectProblem[]) => void;
}

/** Resources of a type that were added, changed or removed. */
export type ResourceListener = (typeUrl: string, names: ReadonlySet<string>) => void;

/** Changes gather this long, so that what belongs together is pushed together. */
const GATHER_MS = 10;

/**
 * source -> typed objects -> derived collections -> encoded resources -> stores. Everything between a batch of changes and
 * the listeners happens in one synchronous step, so that stores never show half of it.
 */
export class Pipeline {
  readonly addresses: ResourceStore = new ResourceStore(ADDRESS_TYPE_URL);
  readonly authorizations: ResourceStore = new ResourceStore(AUTHORIZATION_TYPE_URL);
  readonly policySets: ResourceStore = new ResourceStore(POLICY_SET_TYPE_URL);
  readonly ranges: ResourceStore = new ResourceStore(RANGES_TYPE_URL);
  readonly backends: ResourceStore = new ResourceStore(BACKEND_TYPE_URL);
  readonly routes: ResourceStore = new ResourceStore(SERVICE_ROUTES_TYPE_URL);
  readonly sessionKeys: ResourceStore = new ResourceStore(SESSION_KEYS_TYPE_URL);
  /** What the source has, as of the last commit. To be read; only the pipeline writes. */
  readonly objects: ObjectCollections;
  readonly workloadsByNode: WorkloadsByNode;
  /** Of `objects`, as they are whenever it is asked. */
  readonly routeWorld: RouteWorld;
  readonly #options: PipelineOptions;
  readonly #metrics: PipelineMetrics;
  readonly #graph = new CollectionGraph();
  readonly #listeners: ResourceListener[] = [];
  readonly #changeListeners: (() => void)[] = [];
  readonly #unreadable: UnreadablePolicies;
  readonly #sessionSecrets: SourceCollection<SessionSecrets>;
  #problems: readonly ObjectProblem[] = [];
  #commitPlanned = false;
  #started = false;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#metrics = createPipelineMetrics(options.metrics);
    this.objects = createObjectCollections(this.#graph);
    this.workloadsByNode = createWorkloadsByNode(this.objects);
    const worlds = new RouteWorlds(this.#graph, this.objects, options.settings);
    const fronts = deriveFronts(this.#graph, this.objects, worlds);
    const mesh = deriveMesh(this.#graph, this.objects, options.settings, fronts);
    const standIns = this.#graph.source<PushedObject>('denials in place of policies that cannot be read');
    this.#unreadable = new UnreadablePolicies({
      policies: standIns,
      tlsPolicies: worlds.unreadableTlsPolicies,
      egressPolicies: mesh.unreadableEgress,
      rootNamespace: options.settings.rootNamespace,
      logger: options.logger,
      isInForce: (key) => isPolicyInForce(this.objects, key),
    });
    const all = this.#graph.union<PushedObject>('all authorizations', [mesh.authorizations, standIns]);
    this.#serve(mesh.ranges, this.ranges);
    this.#serve(mesh.addresses, this.addresses);
    this.#serve(all, this.authorizations);
    this.#serve(mesh.policySets, this.policySets);
    this.routeWorld = worlds.present;
    this.#serve(deriveBackends(this.#graph, fronts, worlds), this.backends);
    this.#serve(deriveRoutes(this.#graph, fronts), this.routes);
    this.#sessionSecrets = this.#graph.source('secrets that keys of sessions come from');
    this.#serve(deriveSessionKeys(this.#graph, this.objects, this.#sessionSecrets), this.sessionKeys);
  }

  get problems(): readonly ObjectProblem[] {
    return this.#problems;
  }

  onResources(listener: ResourceListener): void {
    this.#listeners.push(listener);
  }

  /** Hears of every commit, when the stores hold it, and of every change of `problems`. */
  onChange(listener: () => void): void {
    this.#changeListeners.push(listener);
  }

  /** From now on keys of sessions come from these: the first one's seal. In force when this returns, unless nothing is yet. */
  useSessionSecrets(secrets: SessionSecrets): void {
    this.#sessionSecrets.set('', secrets);
    if (this.#started) this.#commit();
  }

  /** Resolves when the stores hold the first state; follows the source until `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    const { source, logger, clock } = this.#options;
    const begun = clock.monotonic();
    await source.watch(
      {
        onChanges: (changes) => this.#take(changes),
        onProblems: (problems) => {
          this.#problems = problems;
          this.#metrics.problems.set([], problems.length);
          this.#options.onProblems(problems);
          if (this.#started && this.#unreadable.settle(problems)) this.#planCommit();
          this.#announceChange();
        },
      },
      signal,
    );
    this.#started = true;
    this.#commit();
    // Only now is it known which broken policies have no version in force.
    if (this.#unreadable.begin(this.#problems)) this.#commit();
    logger.info('first state is complete', {
      addresses: this.addresses.size,
      policies: this.authorizations.size,
      routedServices: this.routes.size,
      securedServices: this.backends.size,
      durationMs: Math.round(clock.monotonic() - begun),
    });
  }

  #take(changes: readonly ObjectChange[]): void {
    for (const change of changes) this.#metrics.objectChanges.add([change.kind]);
    applyChanges(this.objects, changes);
    if (this.#started) this.#planCommit();
  }

  #planCommit(): void {
    if (this.#commitPlanned) return;
    this.#commitPlanned = true;
    this.#options.clock.setTimer(GATHER_MS, () => this.#commit());
  }

  #commit(): void {
    const { clock, logger } = this.#options;
    this.#commitPlanned = false;
    const begun = clock.monotonic();
    const before = this.#graph.recomputed;
    this.#graph.commit();
    this.#announceChange();
    const durationMs = clock.monotonic() - begun;
    this.#metrics.commitSeconds.observe([], durationMs / 1000);
    logger.debug('changes are in force', {
      recomputed: this.#graph.recomputed - before,
      durationMs: Math.round(durationMs),
    });
  }

  #announceChange(): void {
    for (const listener of this.#changeListeners) listener();
  }

  #serve(objects: Collection<ServedObject>, store: ResourceStore): void {
    const encoded = this.#graph.derive(`encoded ${objects.name}`, objects, encodeResource, { equal: sameResource });
    const nameByKey = new Map<string, string>();
    encoded.onChange((keys) => {
      const touched = new Set<string>();
      const put: PushResource[] = [];
      const removed = new Set<string>();
      for (const key of keys) {
        const resource = encoded.get(key);
        const before = nameByKey.get(key);
        if (before !== undefined && before !== resource?.name) removed.add(before);
        if (resource === undefined) nameByKey.delete(key);
        else {
          nameByKey.set(key, resource.name);
          put.push(resource);
          touched.add(resource.name);
        }
      }
      store.update(removed, put);
      this.#metrics.resources.set([store.typeUrl.slice(store.typeUrl.lastIndexOf('.') + 1)], store.size);
      const names = new Set([...touched, ...removed]);
      for (const listener of this.#listeners) listener(store.typeUrl, names);
    });
  }
}

function isPolicyInForce(objects: ObjectCollections, key: ObjectKey): boolean {
  const slash = key.indexOf('/');
  const name = key.slice(slash + 1);
  switch (key.slice(0, slash)) {
    case 'AccessPolicy':
      return objects.accessPolicies.get(name) !== undefined;
    case 'EgressPolicy':
      return objects.egressPolicies.get(name) !== undefined;
    case 'BackendTLSPolicy':
      return objects.backendTlsPolicies.get(name) !== undefined;
    default:
      return objects.mutualTlsPolicies.get(name) !== undefined;
  }
}
