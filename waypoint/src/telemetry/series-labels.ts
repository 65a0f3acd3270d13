import type { SpiffeId, Workload } from '@ambit/mesh/model';
import type { Cluster } from '../upstream/cluster.ts';

/** Labels of everybody that metrics of requests and of connections have in common, in the order of `partyLabels`. */
export const PARTY_LABELS: readonly string[] = [
  'reporter',
  'source_workload',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_canonical_service',
  'source_canonical_revision',
  'source_cluster',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_cluster',
  'destination_service',
  'destination_service_name',
  'destination_service_namespace',
];

/** Who talks to whom, as far as it is known; what is empty is. */
export function partyLabels(
  source: Workload | undefined,
  identity: SpiffeId | null,
  destination: Workload | undefined,
  service: Cluster['service'] | undefined,
): readonly string[] {
  return [
    'waypoint',
    nameOf(source),
    source?.namespace ?? '',
    identity ?? '',
    ...canonicalOf(source),
    ...canonicalOf(source),
    source?.clusterId ?? '',
    nameOf(destination),
    destination?.namespace ?? '',
    principalOf(destination),
    ...canonicalOf(destination),
    ...canonicalOf(destination),
    destination?.clusterId ?? '',
    service?.hostname ?? '',
    service?.name ?? '',
    service?.namespace ?? '',
  ];
}

/** How Istio names what is not known. */
export function orUnknown(label: string): string {
  return label === '' ? 'unknown' : label;
}

function canonicalOf(workload: Workload | undefined): readonly [service: string, revision: string] {
  return [workload?.canonicalName ?? '', workload?.canonicalRevision ?? ''];
}

function nameOf(workload: Workload | undefined): string {
  if (workload === undefined) return '';
  return workload.workloadName === '' ? workload.name : workload.workloadName;
}

function principalOf(workload: Workload | undefined): string {
  if (workload === undefined || workload.tunnelProtocol === 'none') return '';
  return `spiffe://${workload.trustDomain}/ns/${workload.namespace}/sa/${workload.serviceAccount}`;
}
