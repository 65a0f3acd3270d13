import type { RawObject } from '@ambit/mesh/kinds';
import { KubeApiError, type KubeClient, type KubeName, type KubeResource, listAll } from '@ambit/mesh/kube';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { Collection } from '../collections/collection.ts';
import type { ObjectCollections } from '../collections/object-collections.ts';
import { jsonText } from '../json.ts';
import type { LeaderWork } from '../leader/index.ts';
import { Bell, type RoundTiming } from '../reconcile/bell.ts';
import { decideRouteStatus } from '../translate/decide-route-status.ts';
import { decideTlsPolicyStatus } from '../translate/decide-tls-policy-status.ts';
import type { RouteWorld } from '../translate/route-world.ts';
import { decideStatusEntries, type StatusEntry, type StatusList } from './decide-status-entries.ts';
import { STATUS_LIMITS } from './limits.ts';

interface StatusKind {
  readonly resource: KubeResource;
  readonly list: StatusList;
  /** What is to be said of an object of that kind; null when there is none of that name. */
  readonly decide: (key: string, world: RouteWorld) => Decided | null;
  readonly keys: () => Iterable<string>;
}

interface Decided {
  readonly uid: string;
  readonly generation: number;
  readonly entries: readonly StatusEntry[];
}

export interface GatewayStatusesOptions {
  readonly client: KubeClient;
  readonly objects: ObjectCollections;
  /** Of those objects, as they are whenever it is asked. */
  readonly world: RouteWorld;
  readonly clock: Clock;
  readonly logger: Logger;
}

const TIMING: RoundTiming = { pauseMs: STATUS_LIMITS.passMs, resyncMs: STATUS_LIMITS.resyncMs };

/**
 * Writes what became of routes and of policies for TLS to backends into their status, beside what other controllers say there. A
 * term begins with a look at every object, which also takes back what is no more ours to say; so does every tenth minute.
 * Between them only what is decided anew is read and written.
 */
export class GatewayStatuses {
  readonly #options: GatewayStatusesOptions;
  readonly #kinds: readonly StatusKind[];
  readonly #bell: Bell;
  /** What was decided of each object when it was last compared, by kind and name. */
  #settled = new Map<string, string>();
  #lookAgainAtMs = 0;

  constructor(options: GatewayStatusesOptions) {
    this.#options = options;
    this.#kinds = statusKinds(options.objects);
    this.#bell = new Bell(options.clock);
  }

  /** Something changed. */
  poke(): void {
    this.#bell.ring();
  }

  /** Work of the leader. */
  readonly work: LeaderWork = async (signal) => {
    this.#lookAgainAtMs = 0;
    await this.#bell.repeat(() => this.#round(signal), TIMING, signal);
  };

  async #round(signal: AbortSignal): Promise<void> {
    const { clock, world } = this.#options;
    const looksAtAll = clock.monotonic() >= this.#lookAgainAtMs;
    if (looksAtAll) {
      this.#settled = new Map();
      this.#lookAgainAtMs = clock.monotonic() + STATUS_LIMITS.resyncMs;
    }
    const seen = new Set<string>();
    for (const kind of this.#kinds) {
      if (looksAtAll) await this.#look(kind, signal);
      for (const key of kind.keys()) {
        const id = idOf(kind, key);
        seen.add(id);
        const decided = kind.decide(key, world);
        if (decided === null || this.#settled.get(id) === textOf(decided)) continue;
        await this.#reconcile(kind, key, decided, signal);
        await clock.sleep(STATUS_LIMITS.writeGapMs, signal);
      }
    }
    for (const id of this.#settled.keys()) if (!seen.has(id)) this.#settled.delete(id);
  }

  /** Compares every object that the API server has. */
  async #look(kind: StatusKind, signal: AbortSignal): Promise<void> {
    const { client, clock, world } = this.#options;
    try {
      for await (const object of listAll(client, kind.resource, {}, signal)) {
        const name = nameOf(object);
        const key = `${name.namespace}/${name.name}`;
        const decided = kind.decide(key, world);
        // The source has not heard of it yet, or cannot read it: what was said before stays.
        if (decided === null || decided.uid !== jsonText(object, 'metadata', 'uid')) continue;
        if (await this.#write(kind, name, object, decided, signal)) await clock.sleep(STATUS_LIMITS.writeGapMs, signal);
      }
    } catch (error) {
      // Its definition is not installed.
      if (!(error instanceof KubeApiError && error.code === 'not-found')) throw error;
    }
  }

  async #reconcile(kind: StatusKind, key: string, decided: Decided, signal: AbortSignal): Promise<void> {
    const [namespace = '', name = ''] = key.split('/');
    const object = await this.#options.client.get(kind.resource, { namespace, name }, signal);
    if (object === null) this.#settled.set(idOf(kind, key), textOf(decided));
    else await this.#write(kind, { namespace, name }, object, decided, signal);
  }

  /** Answers whether the API server was asked. */
  async #write(
    kind: StatusKind,
    name: KubeName,
    object: RawObject,
    decided: Decided,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { client, clock, logger } = this.#options;
    const now = `${new Date(clock.now()).toISOString().slice(0, 19)}Z`;
    const patch = decideStatusEntries({ object, list: kind.list, entries: decided.entries, now });
    if (patch !== null) {
      try {
        await client.mergePatch(kind.resource, name, patch, signal, 'status');
        logger.debug('status written', { kind: kind.resource.kind, ...name });
      } catch (error) {
        if (!(error instanceof KubeApiError)) throw error;
        if (error.code === 'conflict') {
          // Somebody else has written: the next round reads what.
          this.#bell.ring();
          return true;
        }
        if (error.code !== 'not-found') throw error;
      }
    }
    this.#settled.set(idOf(kind, `${name.namespace}/${name.name}`), textOf(decided));
    return patch !== null;
  }
}

function statusKinds(objects: ObjectCollections): readonly StatusKind[] {
  const { httpRoutes, grpcRoutes, tcpRoutes, tlsRoutes, backendTlsPolicies } = objects;
  const routes = { HTTPRoute: httpRoutes, GRPCRoute: grpcRoutes, TCPRoute: tcpRoutes, TLSRoute: tlsRoutes };
  return [
    ...Object.entries(routes).map(
      ([kind, collection]): StatusKind => ({
        resource: gatewayResource(kind, `${kind.toLowerCase()}s`),
        list: 'parents',
        keys: () => keysOf(collection),
        decide: (key, world) => {
          const route = collection.get(key);
          if (route === undefined) return null;
          const entries = decideRouteStatus(route, world).map(({ ref, conditions }) => ({
            ref: { ...ref },
            conditions,
          }));
          return { uid: route.meta.uid, generation: route.meta.generation, entries };
        },
      }),
    ),
    {
      resource: gatewayResource('BackendTLSPolicy', 'backendtlspolicies'),
      list: 'ancestors',
      keys: () => keysOf(backendTlsPolicies),
      decide: (key, world) => {
        const policy = backendTlsPolicies.get(key);
        if (policy === undefined) return null;
        const entries = decideTlsPolicyStatus(policy, world).map(({ ref, conditions }) => ({
          ref: { ...ref },
          conditions,
        }));
        return { uid: policy.meta.uid, generation: policy.meta.generation, entries };
      },
    },
  ];
}

/** As they are now: writing takes a while, and the collection changes meanwhile. */
function keysOf(collection: Collection<unknown>): readonly string[] {
  return Array.from(collection.entries(), ([key]) => key);
}

function gatewayResource(kind: string, plural: string): KubeResource {
  return { group: 'gateway.networking.k8s.io', version: 'v1', plural, kind, scope: 'namespaced' };
}

function idOf({ resource }: StatusKind, key: string): string {
  return `${resource.kind}/${key}`;
}

function nameOf(object: RawObject): KubeName {
  return { namespace: jsonText(object, 'metadata', 'namespace'), name: jsonText(object, 'metadata', 'name') };
}

/** A decision as a text to compare with another of the same object. */
function textOf({ uid, generation, entries }: Decided): string {
  return `${uid} ${generation} ${JSON.stringify(entries)}`;
}
