import {
  EAST_WEST_CLASS,
  type Gateway,
  type GatewayAddress,
  GATEWAY_SERVICE_ACCOUNT_ANNOTATION,
  isHboneListener,
  NETWORK_LABEL,
} from '@ambit/mesh/kinds';
import { parsePort, parseWorkloadUid, type WaypointRef, type Workload } from '@ambit/mesh/model';
import { canonicalService } from './canonical-service.ts';
import type { MeshSettings } from './mesh-settings.ts';

const HBONE_PORT = 15008;

/** The network that this Gateway leads to; null when it is of another class, names none, or has no address yet. */
export function networkOfGateway(gateway: Gateway): string | null {
  const network = gateway.meta.labels.get(NETWORK_LABEL) ?? '';
  if (gateway.className !== EAST_WEST_CLASS || network === '') return null;
  return addressOf(gateway) === undefined ? null : network;
}

/** Of several to one network, the one that callers are sent to: the oldest, then the least name. */
export function chooseGateway(gateways: readonly Gateway[]): Gateway | undefined {
  return gateways.toSorted(
    (a, b) => a.meta.creationTimestampMs - b.meta.creationTimestampMs || (keyOf(a) < keyOf(b) ? -1 : 1),
  )[0];
}

/** How workloads of its network name it. */
export function networkGatewayRef(gateway: Gateway): WaypointRef {
  const listener = gateway.listeners.find(isHboneListener);
  const hostname = { namespace: gateway.meta.namespace, hostname: hostnameOf(gateway) };
  return { destination: { kind: 'hostname', hostname }, hboneMtlsPort: parsePort(listener?.port ?? HBONE_PORT) };
}

/**
 * The Gateway as who callers connect to. Found by its name alone: the address may be that of a load balancer, or of a pod that is a workload
 * already. Null when it is no gateway of a network.
 */
export function workloadFromNetworkGateway(gateway: Gateway, settings: MeshSettings): Workload | null {
  const network = networkOfGateway(gateway);
  const address = addressOf(gateway);
  if (network === null || address === undefined) return null;
  const { name, namespace, labels, annotations } = gateway.meta;
  const canonical = canonicalService(labels, name);
  const account = annotations.get(GATEWAY_SERVICE_ACCOUNT_ANNOTATION) ?? '';
  return {
    uid: parseWorkloadUid(`${settings.clusterId}/gateway.networking.k8s.io/Gateway/${namespace}/${name}`),
    name,
    namespace,
    addresses: address.kind === 'ip' ? [address.ip] : [],
    hostname: hostnameOf(gateway),
    network,
    tunnelProtocol: 'hbone',
    trustDomain: settings.trustDomain,
    serviceAccount: account === '' ? name : account,
    node: '',
    canonicalName: canonical.name,
    canonicalRevision: canonical.revision,
    workloadType: 'pod',
    workloadName: name,
    nativeTunnel: true,
    services: new Map(),
    authorizationPolicies: [],
    status: 'healthy',
    clusterId: settings.clusterId,
    locality: { region: '', zone: '', subzone: '' },
    networkMode: 'host-network',
    capacity: 1,
  };
}

/** Where it is, as whoever runs it says, else where its author wants it to be. */
function addressOf({ addresses, requestedAddresses }: Gateway): GatewayAddress | undefined {
  return addresses[0] ?? requestedAddresses[0];
}

/** The name of its address, which is resolved by whoever connects; of one that is known by number, a name that nobody resolves. */
function hostnameOf(gateway: Gateway): string {
  const address = addressOf(gateway);
  if (address?.kind === 'hostname') return address.hostname;
  return `${gateway.meta.name}.${gateway.meta.namespace}.gateway`;
}

function keyOf({ meta }: Gateway): string {
  return `${meta.namespace}/${meta.name}`;
}
