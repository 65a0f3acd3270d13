import {
  type AccessPolicyObject,
  type ExternalWorkload,
  type Namespace,
  NETWORK_LABEL,
  type Node,
  type ObjectMeta,
} from '@ambit/mesh/kinds';
import { type AccessPolicy, type SpiffeId, type Workload, workloadIdentity } from '@ambit/mesh/model';
import type { PushedObject } from '@ambit/mesh/wire';
import type { ServedObject } from '../push/encode-resource.ts';
import type { WaypointName } from '../translate/decide-waypoint-binding.ts';
import { exceptWaypoints, guardPolicy, guardPolicyKey } from '../translate/decide-waypoint-guard.ts';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import { exceptionsPolicy, strictPolicy } from '../translate/mtls-mode-from-mutual-tls-policy.ts';
import { workloadFromNetworkGateway } from '../translate/network-gateway.ts';
import { policyFromAccessPolicy } from '../translate/policy-from-access-policy.ts';
import { rangesFromNode } from '../translate/ranges-from-node.ts';
import { frontKey } from '../translate/service-front.ts';
import { serviceFromService } from '../translate/service-from-service.ts';
import { workloadFromExternalWorkload } from '../translate/workload-from-external-workload.ts';
import { workloadFromPod } from '../translate/workload-from-pod.ts';
import type { Collection, Reader } from './collection.ts';
import type { CollectionGraph, SourceCollection } from './collection-graph.ts';
import { EgressSurroundings } from './egress-surroundings.ts';
import { deriveExternalServices } from './external-service-collections.ts';
import { deriveFronts, type FrontCollections, type FrontRoutes } from './front-routes.ts';
import type { ObjectCollections } from './object-collections.ts';
import { derivePolicySets } from './policy-set-collections.ts';
import { PolicySurroundings, type WorkloadPolicies } from './policy-surroundings.ts';
import { RouteWorlds } from './route-worlds.ts';
import { Surroundings } from './surroundings.ts';

/** What is pushed, keyed by where it came from. */
export interface MeshCollections {
  readonly addresses: Collection<PushedObject>;
  readonly authorizations: Collection<PushedObject>;
  readonly ranges: Collection<PushedObject>;
  readonly policySets: Collection<ServedObject>;
  /** To be filled: namespaces of EgressPolicies that cannot be read, by object. */
  readonly unreadableEgress: SourceCollection<string>;
}

/** A workload and what policies come to there. */
export interface DerivedWorkload {
  readonly workload: Workload;
  readonly meta: ObjectMeta;
  readonly policies: WorkloadPolicies;
}

const NO_CALLERS: FrontRoutes['callers'] = new Map();
const NOBODY: readonly SpiffeId[] = [];
/** As many identities as a service may name on the wire, and networks as leave its addresses within bounds. */
const IDENTITIES_MAX = 1024;
const NETWORKS_MAX = 64;
const NETWORKS = 'networks';
const NO_NETWORKS: readonly string[] = [];

/** Declares everything that is derived from the objects. */
export function deriveMesh(
  graph: CollectionGraph,
  objects: ObjectCollections,
  settings: MeshSettings,
  { fronts, routes }: FrontCollections = deriveFronts(graph, objects, new RouteWorlds(graph, objects, settings)),
): MeshCollections {
  const policies = new PolicySurroundings(objects, settings);
  const egress = new EgressSurroundings(graph, objects, settings);
  const surroundings = new Surroundings(objects, settings, { policies, egress });
  const pods = graph.derive('pods with policies', prefixed(graph, 'Pod', objects.pods), (pod, read) => {
    const around = surroundings.ofPod(pod, read);
    const workload = workloadFromPod(pod, { ...around, policies: around.policies.named }, settings);
    return derivedWorkload(workload, pod.meta, around);
  });
  const externals = graph.derive(
    'external workloads with policies',
    prefixed(graph, 'ExternalWorkload', objects.externalWorkloads),
    (external, read) => {
      const around = surroundings.ofExternal(external, read);
      const workload = workloadFromExternalWorkload(external, { ...around, policies: around.policies.named }, settings);
      return derivedWorkload(workload, external.meta, around);
    },
  );
  const workloads = graph.union<DerivedWorkload>('workloads with policies', [pods, externals]);
  const named = graph.derive('workloads', workloads, ({ workload }): PushedObject => ({ kind: 'workload', workload }));
  const bare = graph.derive(
    'workloads of endpoint addresses',
    surroundings.bareAddresses,
    (slices, read, key): PushedObject | null => {
      const workload = surroundings.bareWorkload(slices, read, key);
      return workload === null ? null : { kind: 'workload', workload };
    },
  );
  const gateways = graph.derive(
    'gateways of networks',
    prefixed(graph, 'Gateway', objects.gateways),
    (gateway): PushedObject | null => {
      const workload = workloadFromNetworkGateway(gateway, settings);
      return workload === null ? null : { kind: 'workload', workload };
    },
  );
  const identities = identitiesBehindGateways(graph, workloads);
  const networks = networksOf(graph, objects);
  const networksIn = (read: Reader): readonly string[] => read.get(networks, NETWORKS) ?? NO_NETWORKS;
  const importsByAddress = objects.importFronts.index(({ clusterIps }) => clusterIps);
  const services = graph.derive('services', fronts, (front, read, key) => {
    const standsForImport =
      front.ofClusterSet !== true && front.clusterIps.some((ip) => read.lookup(importsByAddress, ip).length > 0);
    const callers = read.get(routes, key)?.callers ?? NO_CALLERS;
    const around = {
      ...policies.waypoints(front.meta.namespace, read),
      networks: networksIn(read),
      identities: read.get(identities, frontKey(front, settings)) ?? NOBODY,
      ...{ standsForImport, callers },
    };
    const service = serviceFromService(front, around, settings);
    return service === null ? null : { kind: 'service' as const, service };
  });
  const externalServices = deriveExternalServices(graph, objects, networksIn, settings);
  const addresses = graph.union<PushedObject>('addresses', [named, bare, services, gateways, ...externalServices]);
  return {
    addresses,
    ranges: deriveRanges(graph, objects, settings),
    unreadableEgress: egress.unreadable,
    authorizations: deriveAuthorizations(graph, objects, { policies, workloads }, settings),
    policySets: derivePolicySets(graph, objects, { policies, workloads }, settings),
  };
}

function deriveRanges(
  graph: CollectionGraph,
  { nodes }: Pick<ObjectCollections, 'nodes'>,
  settings: MeshSettings,
): Collection<PushedObject> {
  return graph.derive('ranges of nodes', nodes, (node): PushedObject | null => {
    const own = rangesFromNode(node, settings);
    return own === null ? null : { kind: 'ranges', ranges: own };
  });
}

function derivedWorkload(
  workload: Workload | null,
  meta: ObjectMeta,
  { policies }: { readonly policies: WorkloadPolicies },
): DerivedWorkload | null {
  return workload === null ? null : { workload, meta, policies };
}

function deriveAuthorizations(
  graph: CollectionGraph,
  objects: ObjectCollections,
  around: { readonly policies: PolicySurroundings; readonly workloads: Collection<DerivedWorkload> },
  settings: MeshSettings,
): Collection<PushedObject> {
  const { policies, workloads } = around;
  const { rootNamespace } = settings;
  const pushed = (policy: AccessPolicy | null): PushedObject | null =>
    policy === null ? null : { kind: 'policy', policy };
  const waypoints = waypointsByNamespace(graph, workloads);
  const guards = graph.derive(
    'policies that refuse everybody but waypoints',
    workloads.index(({ policies: { guard } }) => (guard.length === 0 ? [] : [guardPolicyKey(guard, rootNamespace)]))
      .groups,
    ([first]) => pushed(first === undefined ? null : guardPolicy(first.policies.guard, settings)),
  );
  const access = graph.derive(
    'access policies',
    prefixed(graph, 'AccessPolicy', objects.accessPolicies),
    (policy, read) => {
      const own = policyFromAccessPolicy(policy, rootNamespace);
      if (own === null || !isOfNamespace(policy, rootNamespace)) return pushed(own);
      return pushed(exceptWaypoints(own, read.get(waypoints, policy.meta.namespace) ?? [], settings));
    },
  );
  const exceptions = graph.derive(
    'port exceptions of mutual TLS',
    prefixed(graph, 'MutualTLSPolicy', objects.mutualTlsPolicies),
    (policy, read) => pushed(exceptionsPolicy(policy, policies.widerMutualTls(policy.meta.namespace, read))),
  );
  const fixed = graph.source<PushedObject>('fixed policies');
  fixed.set('strict', { kind: 'policy', policy: strictPolicy(rootNamespace) });
  return graph.union('authorizations', [access, prefixed(graph, 'guard', guards), exceptions, fixed]);
}

/** By service: the identities of those who serve it behind a gateway. Nobody is behind one in a mesh without. */
function identitiesBehindGateways(
  graph: CollectionGraph,
  workloads: Collection<DerivedWorkload>,
): Collection<readonly SpiffeId[]> {
  const served = workloads.index(({ workload }) =>
    workload.networkGateway === undefined || workload.tunnelProtocol === 'none' ? [] : [...workload.services.keys()],
  );
  return graph.derive(
    'identities behind gateways',
    served.groups,
    (all): readonly SpiffeId[] =>
      [...new Set(all.map(({ workload }) => workloadIdentity(workload)))].sort().slice(0, IDENTITIES_MAX),
    { equal: isSameList },
  );
}

/** All networks that nodes, namespaces and machines name, under one key; nothing where none does. */
function networksOf(
  graph: CollectionGraph,
  { nodes, namespaces, externalWorkloads }: ObjectCollections,
): Collection<readonly string[]> {
  const labelled = graph.union<Node | Namespace | ExternalWorkload>('objects that may name a network', [
    prefixed(graph, 'Node', nodes),
    prefixed(graph, 'Namespace', namespaces),
    prefixed(graph, 'ExternalWorkload', externalWorkloads),
  ]);
  const naming = labelled.index((object) => (networkNamedBy(object) === '' ? [] : [NETWORKS]));
  return graph.derive(
    'networks',
    naming.groups,
    (all): readonly string[] => [...new Set(all.map(networkNamedBy))].sort().slice(0, NETWORKS_MAX),
    { equal: isSameList },
  );
}

function networkNamedBy(object: Node | Namespace | ExternalWorkload): string {
  const named = object.kind === 'ExternalWorkload' ? object.network : object.meta.labels.get(NETWORK_LABEL);
  return named ?? '';
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, at) => one === b[at]);
}

/** The waypoints that stand before workloads of a namespace. */
function waypointsByNamespace(
  graph: CollectionGraph,
  workloads: Collection<DerivedWorkload>,
): Collection<readonly WaypointName[]> {
  const behind = workloads.index(({ policies: { waypoints, namespace } }) =>
    waypoints.length === 0 ? [] : [namespace],
  );
  return graph.derive(
    'waypoints of namespaces',
    behind.groups,
    (all): readonly WaypointName[] => {
      const names = new Map(
        all.flatMap(({ policies }) => policies.waypoints).map((name) => [`${name.namespace}/${name.name}`, name]),
      );
      return [...names].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, name]) => name);
    },
    { equal: sameNames },
  );
}

function sameNames(a: readonly WaypointName[], b: readonly WaypointName[]): boolean {
  return a.length === b.length && a.every((one, at) => one.namespace === b[at]?.namespace && one.name === b[at]?.name);
}

/**
 * Waypoints ask a namespace's own policies about their callers. What the root namespace says holds for everybody: whoever may
 * make a Gateway in some namespace must not get past it with the identity of a waypoint.
 */
function isOfNamespace({ meta, target }: AccessPolicyObject, rootNamespace: string): boolean {
  return meta.namespace !== rootNamespace && target.kind !== 'objects';
}

/** The same values under keys that carry the kind, so that collections of several kinds can be joined. */
function prefixed<V>(graph: CollectionGraph, kind: string, input: Collection<V>): Collection<V> {
  return graph.rekey(kind, input, (key) => `${kind}/${key}`);
}
