import { parsePolicyKey } from '../model/access-policy.ts';
import { createCidr, ipAddressFromBytes, parsePort, type Port } from '../model/address.ts';
import {
  type LoadBalancing,
  parseServiceKey,
  type Service,
  type ServiceAddress,
  type ServiceKey,
  type ServicePort,
  serviceKey,
} from '../model/service.ts';
import { createSpiffeId, DEFAULT_TRUST_DOMAIN, parseTrustDomain } from '../model/spiffe-id.ts';
import type { WaypointRef } from '../model/waypoint-ref.ts';
import { parseWorkloadUid, type Workload } from '../model/workload.ts';
import { balancerToModel } from './balancer-extension.ts';
import { callerWaypointsToModel } from './callers-extension.ts';
import { egressToModel } from './egress-extension.ts';
import * as words from './enum-words.ts';
import { invalidField, readEnum, readList, readModel, readName, readText, readWirePort } from './field-reader.ts';
import type * as pb from './gen/istio/workload/workload_pb.ts';
import { LIMITS } from './limits.ts';
import { portNamesToModel } from './port-names-extension.ts';
import { probesToModel } from './probes-extension.ts';

/** Where gateways listen unless they say otherwise (protocol.md 1.1). */
const DEFAULT_HBONE_PORT = 15_008;
/** What a workload without a service account runs as (protocol.md 1.2). */
const DEFAULT_SERVICE_ACCOUNT = 'default';

/** @throws WireError with the path of the first field that is not allowed. */
export function workloadToModel(message: pb.Workload): Workload {
  const at = (field: string): string => `workload.${field}`;
  const { applicationTunnel: tunnel, locality, waypoint, networkGateway } = message;
  const trustDomain =
    message.trustDomain === ''
      ? DEFAULT_TRUST_DOMAIN
      : readModel(at('trust_domain'), () => parseTrustDomain(message.trustDomain));
  const serviceAccount = message.serviceAccount === '' ? DEFAULT_SERVICE_ACCOUNT : message.serviceAccount;
  const { namespace } = message;
  const probes = probesToModel(message.extensions, at('extensions'));
  const egress = egressToModel(message.extensions, at('extensions'));
  // Refused here so that asking for the identity later never fails.
  readModel(at('namespace or service_account'), () => createSpiffeId({ trustDomain, namespace, serviceAccount }));
  return {
    uid: readModel(at('uid'), () => parseWorkloadUid(message.uid)),
    name: readText(at('name'), message.name),
    namespace,
    addresses: readList(at('addresses'), LIMITS.addressesPerWorkload, message.addresses, (bytes, path) =>
      readModel(path, () => ipAddressFromBytes(bytes)),
    ),
    hostname: readText(at('hostname'), message.hostname),
    network: readText(at('network'), message.network),
    tunnelProtocol: readEnum(at('tunnel_protocol'), message.tunnelProtocol, words.TUNNEL_PROTOCOL),
    trustDomain,
    serviceAccount,
    ...(waypoint === undefined ? {} : { waypoint: gatewayToModel(waypoint, at('waypoint')) }),
    ...(networkGateway === undefined ? {} : { networkGateway: gatewayToModel(networkGateway, at('network_gateway')) }),
    node: readText(at('node'), message.node),
    canonicalName: readText(at('canonical_name'), message.canonicalName),
    canonicalRevision: readText(at('canonical_revision'), message.canonicalRevision),
    workloadType: readEnum(at('workload_type'), message.workloadType, words.WORKLOAD_TYPE),
    workloadName: readText(at('workload_name'), message.workloadName),
    nativeTunnel: message.nativeTunnel,
    ...(tunnel === undefined
      ? {}
      : {
          applicationTunnel: {
            protocol: readEnum(at('application_tunnel.protocol'), tunnel.protocol, words.APPLICATION_TUNNEL),
            port: readWirePort(at('application_tunnel.port'), tunnel.port),
          },
        }),
    services: backedServicesToModel(message.services, at('services')),
    authorizationPolicies: readList(
      at('authorization_policies'),
      LIMITS.policiesPerWorkload,
      message.authorizationPolicies,
      (key, path) => readModel(path, () => parsePolicyKey(key)),
    ),
    status: readEnum(at('status'), message.status, words.WORKLOAD_STATUS),
    clusterId: readText(at('cluster_id'), message.clusterId),
    locality: {
      region: readText(at('locality.region'), locality?.region ?? ''),
      zone: readText(at('locality.zone'), locality?.zone ?? ''),
      subzone: readText(at('locality.subzone'), locality?.subzone ?? ''),
    },
    networkMode: readEnum(at('network_mode'), message.networkMode, words.NETWORK_MODE),
    capacity: message.capacity ?? 1,
    ...(probes === undefined ? {} : { probes }),
    ...(egress === undefined ? {} : { egress }),
  };
}

/** @throws WireError with the path of the first field that is not allowed. */
export function serviceToModel(message: pb.Service): Service {
  const at = (field: string): string => `service.${field}`;
  const { waypoint, loadBalancing } = message;
  const namespace = readName(at('namespace'), message.namespace);
  const hostname = readName(at('hostname'), message.hostname);
  const balanceBy = balancerToModel(message.extensions);
  const portNames = portNamesToModel(message.extensions, at('extensions'));
  const callers = callerWaypointsToModel(message.extensions, at('extensions'), gatewayToModel);
  return {
    key: readModel(at('namespace or hostname'), () => parseServiceKey(serviceKey({ namespace, hostname }))),
    name: readText(at('name'), message.name),
    namespace,
    hostname,
    addresses: readList(at('addresses'), LIMITS.addressesPerService, message.addresses, serviceAddressToModel),
    ports: readList(at('ports'), LIMITS.portsPerService, message.ports, portToModel),
    ...(portNames === undefined ? {} : { portNames }),
    subjectAltNames: readList(
      at('subject_alt_names'),
      LIMITS.subjectAltNamesPerService,
      message.subjectAltNames,
      (name, path) => readText(path, name),
    ),
    ...(waypoint === undefined ? {} : { waypoint: gatewayToModel(waypoint, at('waypoint')) }),
    ...(callers === undefined ? {} : { callerWaypoints: callers }),
    weightedWaypoints: readList(
      at('weighted_waypoints'),
      LIMITS.waypointsPerService,
      message.weightedWaypoints,
      ({ destination, weight }, path) => {
        if (destination === undefined) return invalidField(`${path}.destination`, 'absent');
        return { waypoint: gatewayToModel(destination, `${path}.destination`), weight };
      },
    ),
    ...(loadBalancing === undefined
      ? {}
      : { loadBalancing: loadBalancingToModel(loadBalancing, at('load_balancing')) }),
    ...(balanceBy === undefined ? {} : { balanceBy }),
    ipFamilies: readEnum(at('ip_families'), message.ipFamilies, words.IP_FAMILIES),
    canonical: message.canonical,
    ingressUseWaypoint: message.ingressUseWaypoint,
    visibility: readEnum(at('visibility'), message.visibility, words.VISIBILITY),
  };
}

function backedServicesToModel(
  services: Readonly<Record<string, pb.PortList>>,
  path: string,
): ReadonlyMap<ServiceKey, readonly ServicePort[]> {
  const entries = readList(path, LIMITS.servicesPerWorkload, Object.entries(services), ([key, { ports }]) => {
    const at = `${path}[${JSON.stringify(key.slice(0, LIMITS.textLength))}]`;
    const parsed = readModel(at, () => parseServiceKey(key));
    return [parsed, readList(`${at}.ports`, LIMITS.portsPerService, ports, portToModel)] as const;
  });
  return new Map(entries);
}

function portToModel(port: pb.Port, path: string): ServicePort {
  return {
    servicePort: readWirePort(`${path}.service_port`, port.servicePort),
    targetPort: readWirePort(`${path}.target_port`, port.targetPort),
    appProtocol: readEnum(`${path}.app_protocol`, port.appProtocol, words.APP_PROTOCOL),
  };
}

function serviceAddressToModel(message: pb.NetworkAddress, path: string): ServiceAddress {
  const network = readText(`${path}.network`, message.network);
  const ip = readModel(`${path}.address`, () => ipAddressFromBytes(message.address));
  const { length } = message;
  // A block of one address is that address.
  if (length === undefined || length === message.address.length * 8) return { network, ip };
  return { network, ip, cidr: readModel(`${path}.length`, () => createCidr(message.address, length)) };
}

function gatewayToModel(message: pb.GatewayAddress, path: string): WaypointRef {
  return {
    destination: gatewayDestinationToModel(message, path),
    hboneMtlsPort: gatewayPortToModel(message.hboneMtlsPort, `${path}.hbone_mtls_port`),
  };
}

function gatewayPortToModel(port: number, path: string): Port {
  return readModel(path, () => parsePort(port === 0 ? DEFAULT_HBONE_PORT : port));
}

function gatewayDestinationToModel(message: pb.GatewayAddress, path: string): WaypointRef['destination'] {
  const { destination } = message;
  switch (destination.case) {
    case 'hostname':
      return {
        kind: 'hostname',
        hostname: {
          namespace: readName(`${path}.hostname.namespace`, destination.value.namespace),
          hostname: readName(`${path}.hostname.hostname`, destination.value.hostname),
        },
      };
    case 'address': {
      const { network, ip, cidr } = serviceAddressToModel(destination.value, `${path}.address`);
      if (cidr !== undefined) return invalidField(`${path}.address.length`, 'a gateway cannot be a block');
      return { kind: 'address', network, ip };
    }
    case undefined:
      return invalidField(`${path}.destination`, 'absent');
  }
}

function loadBalancingToModel(message: pb.LoadBalancing, path: string): LoadBalancing {
  return {
    mode: readEnum(`${path}.mode`, message.mode, words.BALANCE_MODE),
    routingPreference: readList(
      `${path}.routing_preference`,
      LIMITS.routingPreferences,
      message.routingPreference,
      (scope, at) => readEnum(at, scope, words.BALANCE_SCOPE),
    ),
    healthPolicy: readEnum(`${path}.health_policy`, message.healthPolicy, words.HEALTH_POLICY),
  };
}
