import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { AccessPolicy, PolicyMatch, StringMatch } from '../model/access-policy.ts';
import { type Cidr, ipAddressToBytes } from '../model/address.ts';
import type { Service, ServiceAddress, ServicePort } from '../model/service.ts';
import type { WaypointRef } from '../model/waypoint-ref.ts';
import type { Workload } from '../model/workload.ts';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  type DiscoveryResource,
  RANGES_TYPE_URL,
} from './discovery-messages.ts';
import * as words from './enum-words.ts';
import { WireError } from './errors.ts';
import {
  AuthorizationSchema,
  type MatchSchema,
  type StringMatchSchema,
} from './gen/istio/security/authorization_pb.ts';
import {
  AddressSchema,
  type GatewayAddressSchema,
  type NetworkAddressSchema,
  type PortSchema,
  ServiceSchema,
  WorkloadSchema,
} from './gen/istio/workload/workload_pb.ts';
import { encodeBalancer } from './balancer-extension.ts';
import { encodeCallerWaypoints } from './callers-extension.ts';
import { encodeEgress } from './egress-extension.ts';
import { encodePortNames } from './port-names-extension.ts';
import { encodeProbes } from './probes-extension.ts';
import type { PushedObject } from './push-resource.ts';
import { encodeRanges } from './ranges-message.ts';

/** One resource ready to be sent but for its version, which is the sender's to choose. */
export type EncodedResource = Omit<DiscoveryResource, 'version'>;

/**
 * The resource of one model value, with the aliases `network/address` that on-demand subscribers ask by. The same
 * value gives the same bytes, so that a version can be a hash of them.
 */
export function encodePushedObject(object: PushedObject): EncodedResource {
  switch (object.kind) {
    case 'workload':
      return encodeWorkload(object.workload);
    case 'service':
      return encodeService(object.service);
    case 'policy':
      return encodePolicy(object.policy);
    case 'ranges':
      return { name: object.ranges.name, aliases: [], typeUrl: RANGES_TYPE_URL, value: encodeRanges(object.ranges) };
  }
}

function encodeWorkload(workload: Workload): EncodedResource {
  const { waypoint, networkGateway, applicationTunnel: tunnel } = workload;
  const message = create(WorkloadSchema, {
    uid: workload.uid,
    name: workload.name,
    namespace: workload.namespace,
    addresses: workload.addresses.map(ipAddressToBytes),
    hostname: workload.hostname,
    network: workload.network,
    tunnelProtocol: words.TUNNEL_PROTOCOL.numbers[workload.tunnelProtocol],
    trustDomain: workload.trustDomain,
    serviceAccount: workload.serviceAccount,
    ...(waypoint === undefined ? {} : { waypoint: encodeGateway(waypoint) }),
    ...(networkGateway === undefined ? {} : { networkGateway: encodeGateway(networkGateway) }),
    node: workload.node,
    canonicalName: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    workloadType: words.WORKLOAD_TYPE.numbers[workload.workloadType],
    workloadName: workload.workloadName,
    nativeTunnel: workload.nativeTunnel,
    ...(tunnel === undefined
      ? {}
      : {
          applicationTunnel: {
            protocol: words.APPLICATION_TUNNEL.numbers[tunnel.protocol],
            port: tunnel.port,
          },
        }),
    services: Object.fromEntries([...workload.services].map(([key, ports]) => [key, { ports: ports.map(encodePort) }])),
    authorizationPolicies: [...workload.authorizationPolicies],
    status: words.WORKLOAD_STATUS.numbers[workload.status],
    clusterId: workload.clusterId,
    locality: { ...workload.locality },
    networkMode: words.NETWORK_MODE.numbers[workload.networkMode],
    extensions: [
      ...(workload.probes === undefined ? [] : [encodeProbes(workload.probes)]),
      ...(workload.egress === undefined ? [] : [encodeEgress(workload.egress)]),
    ],
    // Absent means 1.
    ...(workload.capacity === 1 ? {} : { capacity: workload.capacity }),
  });
  const value = create(AddressSchema, { type: { case: 'workload', value: message } });
  const reachable = workload.networkMode === 'host-network' ? [] : workload.addresses;
  return {
    name: workload.uid,
    aliases: reachable.map((ip) => `${workload.network}/${ip}`),
    typeUrl: ADDRESS_TYPE_URL,
    value: toBinary(AddressSchema, value),
  };
}

function encodeService(service: Service): EncodedResource {
  const { waypoint, loadBalancing } = service;
  const message = create(ServiceSchema, {
    name: service.name,
    namespace: service.namespace,
    hostname: service.hostname,
    addresses: service.addresses.map(encodeServiceAddress),
    ports: service.ports.map(encodePort),
    subjectAltNames: [...service.subjectAltNames],
    ...(waypoint === undefined ? {} : { waypoint: encodeGateway(waypoint) }),
    weightedWaypoints: service.weightedWaypoints.map((weighted) => ({
      destination: encodeGateway(weighted.waypoint),
      weight: weighted.weight,
    })),
    ...(loadBalancing === undefined
      ? {}
      : {
          loadBalancing: {
            mode: words.BALANCE_MODE.numbers[loadBalancing.mode],
            routingPreference: loadBalancing.routingPreference.map((scope) => words.BALANCE_SCOPE.numbers[scope]),
            healthPolicy: words.HEALTH_POLICY.numbers[loadBalancing.healthPolicy],
          },
        }),
    ipFamilies: words.IP_FAMILIES.numbers[service.ipFamilies],
    extensions: [
      ...encodeCallerWaypoints(service.callerWaypoints, encodeGateway),
      ...encodeBalancer(service.balanceBy),
      ...encodePortNames(service.portNames),
    ],
    canonical: service.canonical,
    ingressUseWaypoint: service.ingressUseWaypoint,
    visibility: words.VISIBILITY.numbers[service.visibility],
  });
  const value = create(AddressSchema, { type: { case: 'service', value: message } });
  return {
    name: service.key,
    aliases: service.addresses.filter(({ cidr }) => cidr === undefined).map(({ network, ip }) => `${network}/${ip}`),
    typeUrl: ADDRESS_TYPE_URL,
    value: toBinary(AddressSchema, value),
  };
}

function encodePolicy(policy: AccessPolicy): EncodedResource {
  const message = create(AuthorizationSchema, {
    name: policy.name,
    namespace: policy.namespace,
    scope: words.POLICY_SCOPE.numbers[policy.scope],
    action: words.POLICY_ACTION.numbers[policy.action],
    rules: policy.rules.map(({ clauses }) => ({
      clauses: clauses.map(({ matches }) => ({ matches: matches.map(encodeMatch) })),
    })),
    dryRun: policy.dryRun,
  });
  return {
    name: policy.key,
    aliases: [],
    typeUrl: AUTHORIZATION_TYPE_URL,
    value: toBinary(AuthorizationSchema, message),
  };
}

function encodeMatch(match: PolicyMatch): MessageInitShape<typeof MatchSchema> {
  // There is no place for it, and without it an ALLOW would be wider: `policyForConnections` comes first.
  if (match.http !== undefined) {
    throw new WireError('invalid-field', { path: 'authorization', reason: 'says something of requests' });
  }
  return {
    namespaces: match.namespaces.any.map(encodeStringMatch),
    notNamespaces: match.namespaces.none.map(encodeStringMatch),
    principals: match.principals.any.map(encodeStringMatch),
    notPrincipals: match.principals.none.map(encodeStringMatch),
    sourceIps: match.sourceIps.any.map(encodeBlock),
    notSourceIps: match.sourceIps.none.map(encodeBlock),
    destinationIps: match.destinationIps.any.map(encodeBlock),
    notDestinationIps: match.destinationIps.none.map(encodeBlock),
    destinationPorts: [...match.destinationPorts.any],
    notDestinationPorts: [...match.destinationPorts.none],
    serviceAccounts: match.serviceAccounts.any.map((account) => ({ ...account })),
    notServiceAccounts: match.serviceAccounts.none.map((account) => ({ ...account })),
  };
}

function encodeStringMatch(match: StringMatch): MessageInitShape<typeof StringMatchSchema> {
  if (match.kind === 'presence') return { matchType: { case: 'presence', value: {} } };
  return { matchType: { case: match.kind, value: match.value } };
}

function encodeBlock({ bytes, prefixLength }: Cidr): { address: Uint8Array; length: number } {
  return { address: bytes, length: prefixLength };
}

function encodePort(port: ServicePort): MessageInitShape<typeof PortSchema> {
  return {
    servicePort: port.servicePort,
    targetPort: port.targetPort,
    appProtocol: words.APP_PROTOCOL.numbers[port.appProtocol],
  };
}

function encodeServiceAddress({ network, ip, cidr }: ServiceAddress): MessageInitShape<typeof NetworkAddressSchema> {
  return { network, address: ipAddressToBytes(ip), ...(cidr === undefined ? {} : { length: cidr.prefixLength }) };
}

function encodeGateway({ destination, hboneMtlsPort }: WaypointRef): MessageInitShape<typeof GatewayAddressSchema> {
  if (destination.kind === 'hostname') {
    return { destination: { case: 'hostname', value: { ...destination.hostname } }, hboneMtlsPort };
  }
  const { network, ip } = destination;
  return { destination: { case: 'address', value: { network, address: ipAddressToBytes(ip) } }, hboneMtlsPort };
}
