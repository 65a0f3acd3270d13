import type { KubeService } from '@ambit/mesh/kinds';
import { LOAD_BALANCER_ANNOTATION, LOAD_BALANCERS } from '@ambit/mesh/kinds';
import type { LoadBalancing, Service, ServicePort, SpiffeId, WaypointRef } from '@ambit/mesh/model';
import { appProtocolOf } from './app-protocol.ts';
import { decideCanaryWaypoint, weightedWaypointsOf } from './decide-canary-waypoint.ts';
import {
  decideWaypointBinding,
  type WaypointBinding,
  waypointRefOf,
  type WaypointSurroundings,
} from './decide-waypoint-binding.ts';
import type { MeshSettings } from './mesh-settings.ts';
import { callersNetworks } from './network-of.ts';
import { frontHostname, frontKey, type ServiceFront } from './service-front.ts';

/** Everything beside the Service that it is made of. */
export interface ServiceSurroundings extends WaypointSurroundings {
  /** An import has its address as well, as with those who give imports their address by a Service of another name. */
  readonly standsForImport: boolean;
  /** Networks of the mesh, where its callers may be. */
  readonly networks: readonly string[];
  /** Who serves it, as far as a gateway leads there, which chooses by itself whom it asks. */
  readonly identities: readonly SpiffeId[];
  /** As of `decideCallerWaypoints`. */
  readonly callers: ReadonlyMap<string, WaypointBinding>;
}

/** A Kubernetes Service as the mesh sees it; null for ExternalName, which is a DNS alias and has nothing to connect to. */
export function serviceFromService(
  service: ServiceFront,
  around: ServiceSurroundings,
  settings: MeshSettings,
): Service | null {
  if (service.type === 'ExternalName') return null;
  const { name, namespace: home } = service.meta;
  const networks = callersNetworks(around.namespace, around.networks, settings);
  const waypoint = waypointRefOf(decideWaypointBinding({ meta: service.meta, traffic: 'service' }, around), settings);
  const loadBalancing = loadBalancingOf(service);
  const algorithm = service.meta.annotations.get(LOAD_BALANCER_ANNOTATION);
  // Another word is told of, and is as good as none: a Service that is not there would serve nobody.
  const balanceBy = LOAD_BALANCERS.find((known) => known === algorithm);
  return {
    key: frontKey(service, settings),
    name,
    namespace: home,
    hostname: frontHostname(name, home, service.ofClusterSet === true, settings),
    addresses: networks.flatMap((network) => service.clusterIps.map((ip) => ({ network, ip }))),
    ports: service.ports.filter((port) => port.protocol === 'TCP').map(servicePort),
    ...portNamesOf(service),
    subjectAltNames: around.identities,
    ...(waypoint === undefined ? {} : { waypoint }),
    ...(around.callers.size === 0 ? {} : { callerWaypoints: callerWaypointsOf(around.callers, settings) }),
    weightedWaypoints: weightedWaypointsOf(waypoint, decideCanaryWaypoint(service.meta, around), settings),
    ...(loadBalancing === undefined ? {} : { loadBalancing }),
    ...(balanceBy === undefined ? {} : { balanceBy }),
    ipFamilies: ipFamiliesOf(service),
    canonical: !around.standsForImport,
    ingressUseWaypoint: false,
    visibility: 'public',
  };
}

function callerWaypointsOf(
  callers: ServiceSurroundings['callers'],
  settings: MeshSettings,
): ReadonlyMap<string, WaypointRef> {
  return new Map(
    [...callers].flatMap(([namespace, binding]) => {
      const waypoint = waypointRefOf(binding, settings);
      return waypoint === undefined ? [] : [[namespace, waypoint] as const];
    }),
  );
}

function servicePort(port: KubeService['ports'][number]): ServicePort {
  return {
    servicePort: port.port,
    // A named target port may differ from pod to pod: each workload says its own.
    targetPort: typeof port.targetPort === 'number' ? port.targetPort : 0,
    appProtocol: appProtocolOf(port),
  };
}

/** Of a headless service the cluster's own DNS is asked, which knows the names of its pods as well. */
function portNamesOf({ ports, clusterIps }: KubeService): Pick<Service, 'portNames'> {
  const named = ports.filter(({ protocol, name }) => protocol === 'TCP' && name !== '');
  if (named.length === 0 || clusterIps.length === 0) return {};
  return { portNames: new Map(named.map(({ name, port }) => [name, port])) };
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
