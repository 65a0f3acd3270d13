import {
  decideEnrolment,
  isOfWaypoint,
  type Node,
  type Pod,
  REGION_LABEL,
  SUBZONE_LABEL,
  ZONE_LABEL,
  type ObjectMeta,
} from '@ambit/mesh/kinds';
import {
  type Locality,
  type LockedEgress,
  parseWorkloadUid,
  type PolicyKey,
  type WaypointRef,
  type Workload,
  type WorkloadUid,
} from '@ambit/mesh/model';
import { canonicalService } from './canonical-service.ts';
import { decideWaypointBinding, waypointRefOf, type WaypointSurroundings } from './decide-waypoint-binding.ts';
import type { MeshSettings } from './mesh-settings.ts';
import { networkOf } from './network-of.ts';
import { probesOfPod } from './probes-of-pod.ts';
import { podBackend, type ServiceCandidate, serviceMemberships } from './service-membership.ts';
import { workloadOwner } from './workload-owner.ts';

/** Everything beside the pod that a workload is made of. */
export interface PodSurroundings extends WaypointSurroundings {
  readonly node: Node | undefined;
  /** How a network is reached from others. */
  readonly networkGateway: (network: string) => WaypointRef | undefined;
  readonly services: readonly ServiceCandidate[];
  readonly policies: readonly PolicyKey[];
  /** What workloads of its namespace may call outside the mesh, where that is not everything. */
  readonly egress: LockedEgress | undefined;
}

/** Null while the pod has no address, and once it has finished: its address may be another's by then. */
export function workloadFromPod(pod: Pod, around: PodSurroundings, settings: MeshSettings): Workload | null {
  if (pod.podIps.length === 0 || pod.phase === 'Succeeded' || pod.phase === 'Failed') return null;
  const owner = workloadOwner(pod);
  const canonical = canonicalService(pod.meta.labels, owner.name);
  const enrolment = decideEnrolment(pod, around.namespace, settings.excludedNamespaces);
  const { name, namespace } = pod.meta;
  const isWaypoint = isOfWaypoint(pod.meta.labels) && !pod.hostNetwork;
  const waypoint = waypointRefOf(decideWaypointBinding({ meta: pod.meta, traffic: 'workload' }, around), settings);
  const network = networkOf(around.node, around.namespace, settings);
  const networkGateway = around.networkGateway(network);
  // A pod that nobody captures is probed as ever.
  const probes = enrolment.kind === 'enrolled' ? probesOfPod(pod, around.node) : undefined;
  const egress = enrolment.kind === 'enrolled' ? around.egress : undefined;
  return {
    uid: podUid(pod, settings),
    name,
    namespace,
    addresses: pod.podIps,
    hostname: '',
    network,
    tunnelProtocol: enrolment.kind === 'enrolled' || isWaypoint ? 'hbone' : 'none',
    trustDomain: settings.trustDomain,
    serviceAccount: pod.serviceAccountName,
    node: pod.nodeName,
    canonicalName: canonical.name,
    canonicalRevision: canonical.revision,
    workloadType: owner.type,
    workloadName: owner.name,
    nativeTunnel: isWaypoint,
    services: serviceMemberships(podBackend(pod), around.services, settings),
    authorizationPolicies: around.policies,
    status: pod.ready && !pod.meta.deleting ? 'healthy' : 'unhealthy',
    clusterId: settings.clusterId,
    locality: localityOf(around.node),
    networkMode: pod.hostNetwork ? 'host-network' : 'standard',
    capacity: 1,
    ...(waypoint === undefined ? {} : { waypoint }),
    ...(networkGateway === undefined ? {} : { networkGateway }),
    ...(probes === undefined ? {} : { probes }),
    ...(egress === undefined ? {} : { egress }),
  };
}

function localityOf(node: Node | undefined): Locality {
  const label = (name: string): string => node?.meta.labels.get(name) ?? '';
  return { region: label(REGION_LABEL), zone: label(ZONE_LABEL), subzone: label(SUBZONE_LABEL) };
}

/** Names the workload of one. */
export function podUid(
  { meta }: { readonly meta: Pick<ObjectMeta, 'namespace' | 'name'> },
  { clusterId }: Pick<MeshSettings, 'clusterId'>,
): WorkloadUid {
  return parseWorkloadUid(`${clusterId}//Pod/${meta.namespace}/${meta.name}`);
}
