import {
  type KubeService,
  type ServiceImport,
  WAYPOINT_BYPASS_LABEL,
  WAYPOINT_CANARY_LABEL,
  WAYPOINT_CANARY_NAMESPACE_LABEL,
  WAYPOINT_LABEL,
  WAYPOINT_NAMESPACE_LABEL,
} from '@ambit/mesh/kinds';
import { type ServiceKey, serviceKey } from '@ambit/mesh/model';
import { type MeshSettings, serviceHostname } from './mesh-settings.ts';

export const MULTICLUSTER_GROUP = 'multicluster.x-k8s.io';
/** Suffix of services of a set of clusters, by KEP-1645. */
const CLUSTER_SET_DOMAIN = 'clusterset.local';

/** What callers reach endpoints by: a Service itself, or as a ServiceImport has it. */
export interface ServiceFront extends KubeService {
  /** Its addresses and name are those of the set of clusters. */
  readonly ofClusterSet?: true;
}

/** By which the mesh knows it. */
export function frontKey(
  { meta: { namespace, name }, ofClusterSet }: ServiceFront,
  settings: MeshSettings,
): ServiceKey {
  const hostname = frontHostname(name, namespace, ofClusterSet === true, settings);
  return serviceKey({ namespace, hostname });
}

export function frontHostname(name: string, namespace: string, ofClusterSet: boolean, settings: MeshSettings): string {
  return ofClusterSet ? `${name}.${namespace}.svc.${CLUSTER_SET_DOMAIN}` : serviceHostname(name, namespace, settings);
}

/**
 * A ServiceImport by the endpoints that it has in this cluster, those of the Service of its name (KEP-1645: the same name is
 * the same service); null when there is none, as nothing is known here of other clusters' endpoints. Its ports are those that
 * both have. It is bound to the waypoint that it names itself, then to the Service's.
 */
export function frontOfImport(imported: ServiceImport, service: KubeService | undefined): ServiceFront | null {
  if (service === undefined || service.type === 'ExternalName' || service.headless || imported.headless) return null;
  const ports = service.ports.flatMap((port) => {
    const theirs = imported.ports.find((one) => one.port === port.port && one.protocol === port.protocol);
    if (theirs === undefined) return [];
    return [{ ...port, appProtocol: theirs.appProtocol === '' ? port.appProtocol : theirs.appProtocol }];
  });
  return {
    ...service,
    meta: {
      ...imported.meta,
      annotations: new Map([...service.meta.annotations, ...imported.meta.annotations]),
      labels: withWaypointOf(service.meta.labels, imported.meta.labels),
    },
    clusterIps: imported.ips,
    ports,
    ofClusterSet: true,
  };
}

function withWaypointOf(
  service: ReadonlyMap<string, string>,
  imported: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const labels = new Map(imported);
  const inherit = (name: string): void => {
    const value = service.get(name);
    if (value !== undefined) labels.set(name, value);
  };
  // Of the two labels that name a Gateway one without the other would name another one, and a canary is one of that Gateway.
  if (!imported.has(WAYPOINT_LABEL)) {
    for (const name of [WAYPOINT_LABEL, WAYPOINT_NAMESPACE_LABEL]) inherit(name);
    if (!imported.has(WAYPOINT_CANARY_LABEL)) {
      for (const name of [WAYPOINT_CANARY_LABEL, WAYPOINT_CANARY_NAMESPACE_LABEL]) inherit(name);
    }
  }
  if (!imported.has(WAYPOINT_BYPASS_LABEL)) inherit(WAYPOINT_BYPASS_LABEL);
  return labels;
}
