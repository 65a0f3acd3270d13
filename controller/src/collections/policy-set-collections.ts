import { type AccessPolicyObject, requestPolicyOf } from '@ambit/mesh/kinds';
import { type PolicySet, type PolicySetName, servicePolicySet, workloadPolicySet } from '@ambit/mesh/policies';
import type { ServedObject } from '../push/encode-resource.ts';
import { type CanaryBinding, decideCanaryWaypoint } from '../translate/decide-canary-waypoint.ts';
import { decideWaypointBinding, type WaypointBinding } from '../translate/decide-waypoint-binding.ts';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import { frontKey, type ServiceFront } from '../translate/service-front.ts';
import type { Collection, Reader } from './collection.ts';
import type { CollectionGraph } from './collection-graph.ts';
import type { DerivedWorkload } from './mesh-collections.ts';
import type { ObjectCollections } from './object-collections.ts';
import type { PolicySurroundings } from './policy-surroundings.ts';

/**
 * What waypoints enforce, one set per place. Every Service has one, also without policies, and every workload that a waypoint
 * stands before: a waypoint that has none of a destination lets nobody through. A set names the sets of mesh, namespace and
 * waypoint only where there is something in them, and they are there then, as one commit makes both.
 */
export function derivePolicySets(
  graph: CollectionGraph,
  objects: ObjectCollections,
  around: { readonly policies: PolicySurroundings; readonly workloads: Collection<DerivedWorkload> },
  settings: MeshSettings,
): Collection<ServedObject> {
  const { policies, workloads } = around;
  const { rootNamespace } = settings;
  const selectedBehind = workloads.index(({ workload, policies: { selecting } }) =>
    selecting.length === 0 ? [] : workload.services.keys(),
  );
  const includes = (namespace: string, binding: WaypointBinding, read: Reader): readonly PolicySetName[] => {
    const names: PolicySetName[] = [];
    if (ofMesh(policies, rootNamespace, read).length > 0) names.push('mesh');
    if (namespace !== rootNamespace && policies.ofNamespace(namespace, read).length > 0) {
      names.push(`namespace/${namespace}`);
    }
    if (binding.kind !== 'bound' || binding.fault !== null || policies.ofGateway(binding.waypoint, read).length === 0)
      return names;
    return [...names, `gateway/${binding.waypoint.namespace}/${binding.waypoint.name}`];
  };

  // Whoever names a Service means its endpoints, by whichever address they are reached.
  const ofFront = (front: ServiceFront, read: Reader): ServedObject | null => {
    const { meta, type } = front;
    if (type === 'ExternalName') return null;
    const { namespace } = meta;
    const key = frontKey(front, settings);
    const around = policies.waypoints(namespace, read);
    const binding = decideWaypointBinding({ meta, traffic: 'service' }, around);
    const selecting = read.lookup(selectedBehind, key).flatMap((one) => one.policies.selecting);
    const found = [...policies.ofService(meta, read), ...selecting];
    const set = setOf(servicePolicySet(key), includes(namespace, binding, read), found);
    return withCanary(set, decideCanaryWaypoint(meta, around), (there) => includes(namespace, there, read));
  };
  const services = graph.derive('policies of services', objects.services, ofFront);
  const imports = graph.derive('policies of imported services', objects.importFronts, ofFront);
  const bound = workloads.index(({ workload: { uid, waypoint } }) => (waypoint === undefined ? [] : [uid])).groups;
  const standing = graph.derive('policies of workloads', bound, ([first], read) => {
    if (first === undefined) return null;
    const { workload, meta, policies: own } = first;
    const { namespace } = meta;
    const binding = decideWaypointBinding({ meta, traffic: 'workload' }, policies.waypoints(namespace, read));
    return served(workloadPolicySet(workload.uid), includes(namespace, binding, read), own.selecting);
  });
  const namespaces = graph.derive('policies of namespaces', policies.namespaces, (own, _read, namespace) =>
    namespace === rootNamespace ? null : served(`namespace/${namespace}`, [], own),
  );
  const gateways = graph.derive('policies of gateways', objects.gateways, ({ meta }, read) => {
    const own = policies.ofGateway(meta, read);
    return own.length === 0 ? null : served(`gateway/${meta.namespace}/${meta.name}`, [], own);
  });
  const fixed = graph.source<'mesh'>('the mesh');
  fixed.set('mesh', 'mesh');
  const mesh = graph.derive('policies of the mesh', fixed, (name, read) => {
    const own = ofMesh(policies, rootNamespace, read);
    return own.length === 0 ? null : served(name, [], own);
  });
  const prefixed = (kind: string, some: Collection<ServedObject>): Collection<ServedObject> =>
    graph.rekey(`policies by ${kind}`, some, (key) => `${kind} ${key}`);
  return graph.union('sets of policies', [
    prefixed('service', services),
    prefixed('import', imports),
    prefixed('workload', standing),
    prefixed('namespace', namespaces),
    prefixed('gateway', gateways),
    mesh,
  ]);
}

function ofMesh(policies: PolicySurroundings, rootNamespace: string, read: Reader): readonly AccessPolicyObject[] {
  return [...policies.ofNamespace(rootNamespace, read), ...policies.ofGatewayClass(read)];
}

/** What is attached to one of the two Gateways is not for the other. */
function withCanary(
  set: PolicySet,
  canary: CanaryBinding,
  includesBehind: (binding: WaypointBinding) => readonly PolicySetName[],
): ServedObject {
  if (canary.kind !== 'canary') return { kind: 'policies', set };
  const { waypoint } = canary;
  const includes = includesBehind({ kind: 'bound', waypoint, fault: null });
  return {
    kind: 'policies',
    set,
    atCanary: { gateway: `${waypoint.namespace}/${waypoint.name}`, set: { ...set, includes } },
  };
}

function served(...of: Parameters<typeof setOf>): ServedObject {
  return { kind: 'policies', set: setOf(...of) };
}

/** Each policy once, in an order that does not depend on how they were found. */
function setOf(
  name: PolicySetName,
  includes: readonly PolicySetName[],
  found: readonly AccessPolicyObject[],
): PolicySet {
  const byKey = new Map(found.map((policy) => [`${policy.meta.namespace}/${policy.meta.name}`, policy]));
  const policies = [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, policy]) => requestPolicyOf(policy));
  return { name, includes, policies };
}
