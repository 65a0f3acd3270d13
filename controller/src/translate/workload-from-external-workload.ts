import { AMBIT_DOMAIN, type ExternalWorkload, type ObjectMeta } from '@ambit/mesh/kinds';
import {
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
import { type ServiceCandidate, serviceMemberships } from './service-membership.ts';

/** Everything beside the object that a workload is made of. */
export interface ExternalWorkloadSurroundings extends WaypointSurroundings {
  /** How a network is reached from others. */
  readonly networkGateway: (network: string) => WaypointRef | undefined;
  readonly services: readonly ServiceCandidate[];
  readonly policies: readonly PolicyKey[];
  readonly egress: LockedEgress | undefined;
}

/** A machine outside Kubernetes. Services it names count as if their selector matched it. */
export function workloadFromExternalWorkload(
  external: ExternalWorkload,
  around: ExternalWorkloadSurroundings,
  settings: MeshSettings,
): Workload {
  const { name, namespace, labels } = external.meta;
  const canonical = canonicalService(labels, name);
  const waypoint = waypointRefOf(decideWaypointBinding({ meta: external.meta, traffic: 'workload' }, around), settings);
  const network = external.network ?? networkOf(undefined, around.namespace, settings);
  const networkGateway = around.networkGateway(network);
  return {
    uid: externalWorkloadUid(external, settings),
    name,
    namespace,
    addresses: external.addresses,
    hostname: '',
    network,
    tunnelProtocol: external.tunnel === 'HBONE' ? 'hbone' : 'none',
    trustDomain: settings.trustDomain,
    serviceAccount: external.serviceAccountName,
    node: external.nodeName,
    canonicalName: canonical.name,
    canonicalRevision: canonical.revision,
    workloadType: 'pod',
    workloadName: name,
    nativeTunnel: false,
    services: externalMemberships(external, around.services, settings),
    authorizationPolicies: around.policies,
    status: external.ready ? 'healthy' : 'unhealthy',
    clusterId: settings.clusterId,
    locality: external.locality,
    networkMode: 'standard',
    capacity: external.weight,
    ...(waypoint === undefined ? {} : { waypoint }),
    ...(networkGateway === undefined ? {} : { networkGateway }),
    ...(around.egress === undefined || external.tunnel !== 'HBONE' ? {} : { egress: around.egress }),
  };
}

/** Names the workload of one. */
export function externalWorkloadUid(
  { meta }: { readonly meta: Pick<ObjectMeta, 'namespace' | 'name'> },
  { clusterId }: Pick<MeshSettings, 'clusterId'>,
): WorkloadUid {
  return parseWorkloadUid(`${clusterId}/${AMBIT_DOMAIN}/ExternalWorkload/${meta.namespace}/${meta.name}`);
}

/** The services that an ExternalWorkload backs. */
export function externalMemberships(
  external: ExternalWorkload,
  candidates: readonly ServiceCandidate[],
  settings: MeshSettings,
): ReturnType<typeof serviceMemberships> {
  const backend = {
    pod: null,
    namespace: external.meta.namespace,
    labels: external.meta.labels,
    addresses: external.addresses,
    portNamed: (port: string) => external.ports.get(port),
  };
  return serviceMemberships(
    backend,
    candidates.map((candidate) => namedAsSelected(external, candidate)),
    settings,
  );
}

/** Slices are written for pods; they do not take a service away from a machine that names it. */
function namedAsSelected(external: ExternalWorkload, candidate: ServiceCandidate): ServiceCandidate {
  const { service } = candidate;
  const named = service.meta.namespace === external.meta.namespace && external.services.includes(service.meta.name);
  return named ? { service: { ...service, selector: new Map() }, slices: [] } : candidate;
}
