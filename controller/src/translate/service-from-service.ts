import type { KubeService } from '@ambit/mesh/kinds';
import { type LoadBalancing, type Service, serviceKey, type ServicePort } from '@ambit/mesh/model';
import { appProtocolOf } from './app-protocol.ts';
import { decideWaypointBinding, waypointRefOf, type WaypointSurroundings } from './decide-waypoint-binding.ts';
import { type MeshSettings, serviceHostname } from './mesh-settings.ts';
import { networkOf } from './network-of.ts';

/** A Kubernetes Service as the mesh sees it; null for ExternalName, which is a DNS alias and has nothing to connect to. */
export function serviceFromService(
  service: KubeService,
  around: WaypointSurroundings,
  settings: MeshSettings,
): Service | null {
  if (service.type === 'ExternalName') return null;
  const { name, namespace: home } = service.meta;
  const hostname = serviceHostname(name, home, settings);
  const network = networkOf(undefined, around.namespace, settings);
  const waypoint = waypointRefOf(decideWaypointBinding({ meta: service.meta, traffic: 'service' }, around), settings);
  const loadBalancing = loadBalancingOf(service);
  return {
    key: serviceKey({ namespace: home, hostname }),
    name,
    namespace: home,
    hostname,
    addresses: service.clusterIps.map((ip) => ({ network, ip })),
    ports: service.ports.filter((port) => port.protocol === 'TCP').map(servicePort),
    subjectAltNames: [],
    ...(waypoint === undefined ? {} : { waypoint }),
    weightedWaypoints: [],
    ...(loadBalancing === undefined ? {} : { loadBalancing }),
    ipFamilies: ipFamiliesOf(service),
    canonical: true,
    ingressUseWaypoint: false,
    visibility: 'public',
  };
}

function servicePort(port: KubeService['ports'][number]): ServicePort {
  return {
    servicePort: port.port,
    // A named target port may differ from pod to pod: each workload says its own.
    targetPort: typeof port.targetPort === 'number' ? port.targetPort : 0,
    appProtocol: appProtocolOf(port),
  };
}

/** Protocol.md 4.8, the mapping of Istio's controller. `Local` wins over any distribution. */
function loadBalancingOf(service: KubeService): LoadBalancing | undefined {
  const healthPolicy = service.publishNotReadyAddresses ? 'allow-all' : 'only-healthy';
  if (service.internalTrafficPolicy === 'Local') return { mode: 'strict', routingPreference: ['node'], healthPolicy };
  switch (service.trafficDistribution) {
    case 'PreferClose':
    case 'PreferSameZone':
      return { mode: 'failover', routingPreference: ['network', 'region', 'zone'], healthPolicy };
    case 'PreferSameNode':
      return { mode: 'failover', routingPreference: ['network', 'region', 'zone', 'subzone', 'node'], healthPolicy };
    default:
      return service.publishNotReadyAddresses
        ? { mode: 'unspecified', routingPreference: [], healthPolicy }
        : undefined;
  }
}

function ipFamiliesOf(service: KubeService): Service['ipFamilies'] {
  const v4 = service.ipFamilies.includes('IPv4');
  const v6 = service.ipFamilies.includes('IPv6');
  if (v4 && v6) return 'dual';
  if (v4) return 'ipv4-only';
  return v6 ? 'ipv6-only' : 'automatic';
}
