import {
  type AccessPolicyObject,
  type MutualTlsPolicy,
  type ObjectMeta,
  targetNames,
  WAYPOINT_CLASS,
} from '@ambit/mesh/kinds';
import type { PolicyKey } from '@ambit/mesh/model';
import { decideCanaryWaypoint } from '../translate/decide-canary-waypoint.ts';
import {
  decideWaypointBinding,
  type WaypointName,
  type WaypointSurroundings,
} from '../translate/decide-waypoint-binding.ts';
import {
  bypassOf,
  decideWaypointGuard,
  guardPolicyKey,
  type StandingWaypoint,
} from '../translate/decide-waypoint-guard.ts';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import { type MutualTlsLayers, mutualTlsPolicyKey } from '../translate/mtls-mode-from-mutual-tls-policy.ts';
import { namedPolicyKeys } from '../translate/policy-from-access-policy.ts';
import { selectorMatches, type ServiceCandidate } from '../translate/service-membership.ts';
import type { Collection, Index, Reader } from './collection.ts';
import type { ObjectCollections } from './object-collections.ts';
import { labelKeys, selectorKey } from './selector-index.ts';
import { waypointSurroundings } from './waypoint-surroundings.ts';

/** A workload as policies look at it. */
export interface PolicySubject {
  readonly kind: 'Pod' | 'ExternalWorkload';
  readonly meta: ObjectMeta;
  /** Services that it may back; which it does is asked only where it counts. */
  readonly services: readonly ServiceCandidate[];
  readonly backs: (candidate: ServiceCandidate) => boolean;
}

/** What policies come to at one workload. */
export interface WorkloadPolicies {
  readonly namespace: string;
  /** What its node agent is to enforce beside what holds for its namespace and the mesh. */
  readonly named: readonly PolicyKey[];
  /** Those that select it, or name it as their target. */
  readonly selecting: readonly AccessPolicyObject[];
  /** The waypoints through which alone it is to be reached; none: it may be reached by everybody. */
  readonly guard: ReturnType<typeof decideWaypointGuard>;
  /** The waypoints that stand before it and are there. */
  readonly waypoints: readonly WaypointName[];
}

/** How a derivation finds the policies of an object; each read is a dependency. */
export class PolicySurroundings {
  readonly #objects: ObjectCollections;
  readonly #settings: MeshSettings;
  readonly #byLabel: Index<AccessPolicyObject>;
  /** `<kind>/<namespace>/<name>` */
  readonly #byTarget: Index<AccessPolicyObject>;
  readonly #byNamespace: Index<AccessPolicyObject>;
  readonly #mutualTlsByLabel: Index<MutualTlsPolicy>;
  readonly #mutualTlsByNamespace: Index<MutualTlsPolicy>;

  constructor(objects: ObjectCollections, settings: MeshSettings) {
    this.#objects = objects;
    this.#settings = settings;
    const { accessPolicies, mutualTlsPolicies } = objects;
    this.#byLabel = accessPolicies.index(({ meta, target }) =>
      target.kind === 'selector' ? present(selectorKey(this.#scope(meta.namespace), target.matchLabels)) : [],
    );
    this.#byTarget = accessPolicies.index((policy) =>
      (['Service', 'Gateway', 'GatewayClass', 'ExternalWorkload'] as const).flatMap((kind) =>
        targetNames(policy, kind).map((name) => `${kind}/${policy.meta.namespace}/${name}`),
      ),
    );
    this.#byNamespace = accessPolicies.index(({ meta, target }) =>
      target.kind === 'namespace' ? [meta.namespace] : [],
    );
    this.#mutualTlsByLabel = mutualTlsPolicies.index(({ meta, target }) =>
      target.kind === 'selector' ? present(selectorKey(this.#scope(meta.namespace), target.matchLabels)) : [],
    );
    this.#mutualTlsByNamespace = mutualTlsPolicies.index(({ meta, target }) =>
      target.kind === 'namespace' ? [meta.namespace] : [],
    );
  }

  at(subject: PolicySubject, read: Reader): WorkloadPolicies {
    const { namespace, name, labels } = subject.meta;
    const { rootNamespace } = this.#settings;
    const lookup = <V>(index: Index<V>): readonly V[] =>
      ['', namespace].flatMap((scope) => labelKeys(scope, labels).flatMap((key) => read.lookup(index, key)));
    const selecting = lookup(this.#byLabel).filter(
      ({ target }) => target.kind === 'selector' && selectorMatches(target.matchLabels, labels),
    );
    if (subject.kind === 'ExternalWorkload') {
      selecting.push(...read.lookup(this.#byTarget, `ExternalWorkload/${namespace}/${name}`));
    }
    const { standing, unbound } = this.#standing(subject, read);
    const covering =
      standing.length === 0 ? [] : [...this.ofNamespace(namespace, read), ...this.ofNamespace(rootNamespace, read)];
    const guard = decideWaypointGuard(standing, [...covering, ...selecting]);
    const layers = { ...this.widerMutualTls(namespace, read), selecting: lookup(this.#mutualTlsByLabel) };
    const mutualTls = mutualTlsPolicyKey(labels, layers, rootNamespace);
    const named = new Set(namedPolicyKeys([...selecting, ...unbound]));
    if (mutualTls !== null) named.add(mutualTls);
    if (guard.length > 0) named.add(guardPolicyKey(guard, rootNamespace));
    return {
      namespace,
      named: [...named].sort(),
      selecting,
      guard,
      waypoints: standing.filter(({ fault }) => fault === null).map(({ waypoint }) => waypoint),
    };
  }

  /** By namespace: those without a selector or targets. */
  get namespaces(): Collection<readonly AccessPolicyObject[]> {
    return this.#byNamespace.groups;
  }

  /** Without a selector or targets: of a namespace, or of the mesh. */
  ofNamespace(namespace: string, read: Reader): readonly AccessPolicyObject[] {
    return read.lookup(this.#byNamespace, namespace);
  }

  ofService({ namespace, name }: ObjectMeta, read: Reader): readonly AccessPolicyObject[] {
    return read.lookup(this.#byTarget, `Service/${namespace}/${name}`);
  }

  ofGateway({ namespace, name }: WaypointName, read: Reader): readonly AccessPolicyObject[] {
    return read.lookup(this.#byTarget, `Gateway/${namespace}/${name}`);
  }

  /** Of all waypoints. Only the root namespace speaks for the mesh. */
  ofGatewayClass(read: Reader): readonly AccessPolicyObject[] {
    return read.lookup(this.#byTarget, `GatewayClass/${this.#settings.rootNamespace}/${WAYPOINT_CLASS}`);
  }

  waypoints(namespace: string, read: Reader): WaypointSurroundings {
    return waypointSurroundings(this.#objects, namespace, read);
  }

  widerMutualTls(namespace: string, read: Reader): Pick<MutualTlsLayers, 'mesh' | 'namespace'> {
    const root = this.#settings.rootNamespace;
    return {
      mesh: read.lookup(this.#mutualTlsByNamespace, root),
      namespace: namespace === root ? [] : read.lookup(this.#mutualTlsByNamespace, namespace),
    };
  }

  /**
   * The waypoints before a workload, and the policies of Services before which there is none: these its node agent has to
   * enforce.
   */
  #standing(
    { meta, services, backs }: PolicySubject,
    read: Reader,
  ): { readonly standing: readonly StandingWaypoint[]; readonly unbound: readonly AccessPolicyObject[] } {
    const standing: StandingWaypoint[] = [];
    const unbound: AccessPolicyObject[] = [];
    const stands = (
      { waypoint, fault }: Pick<StandingWaypoint, 'waypoint' | 'fault'>,
      bypass: boolean,
      own: readonly AccessPolicyObject[],
    ): void => {
      const policies = [...own, ...this.ofGateway(waypoint, read), ...this.ofGatewayClass(read)];
      standing.push({ waypoint, fault, bypass, policies });
    };
    for (const candidate of services) {
      const { service } = candidate;
      const around = this.waypoints(service.meta.namespace, read);
      const binding = decideWaypointBinding({ meta: service.meta, traffic: 'service' }, around);
      const own = this.ofService(service.meta, read);
      if ((binding.kind !== 'bound' && own.length === 0) || !backs(candidate)) continue;
      if (binding.kind !== 'bound') {
        unbound.push(...own);
        continue;
      }
      const bypass = bypassOf(meta.labels, service.meta.labels, around.namespace?.meta.labels);
      stands(binding, bypass, own);
      const canary = decideCanaryWaypoint(service.meta, around);
      if (canary.kind === 'canary') stands({ waypoint: canary.waypoint, fault: null }, bypass, own);
    }
    const around = this.waypoints(meta.namespace, read);
    const binding = decideWaypointBinding({ meta, traffic: 'workload' }, around);
    if (binding.kind === 'bound') stands(binding, bypassOf(meta.labels, around.namespace?.meta.labels), []);
    return { standing, unbound };
  }

  /** Selectors of the root namespace look into every namespace. */
  #scope(namespace: string): string {
    return namespace === this.#settings.rootNamespace ? '' : namespace;
  }
}

function present(key: string | null): readonly string[] {
  return key === null ? [] : [key];
}
