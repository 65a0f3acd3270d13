import type { EndpointSlice, KubeService, KubeServicePort, Pod, SliceEndpoint } from '@ambit/mesh/kinds';
import type { IpAddress, ServiceKey, ServicePort } from '@ambit/mesh/model';
import { appProtocolOf } from './app-protocol.ts';
import type { MeshSettings } from './mesh-settings.ts';
import { frontKey, type ServiceFront } from './service-front.ts';

/** A service that something may back, with its slices; none means that its selector decides. */
export interface ServiceCandidate {
  readonly service: ServiceFront;
  readonly slices: readonly EndpointSlice[];
}

/** What may back a service: a pod, an external workload, a bare address of a slice. */
export interface Backend {
  /** Name of the pod; null for anything else. */
  readonly pod: string | null;
  readonly namespace: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly addresses: readonly IpAddress[];
  /** Number behind a named target port, or undefined when this backend has none of that name. */
  readonly portNamed: (name: string) => number | undefined;
}

/** Whether every label of the selector is there with its value. */
export function selectorMatches(selector: ReadonlyMap<string, string>, labels: ReadonlyMap<string, string>): boolean {
  for (const [name, value] of selector) if (labels.get(name) !== value) return false;
  return true;
}

/**
 * The services a backend belongs to and where each of their ports leads. EndpointSlices decide where a service has any,
 * else its selector does. Sorted by key so that equal memberships are equal bytes.
 */
export function serviceMemberships(
  backend: Backend,
  candidates: readonly ServiceCandidate[],
  settings: MeshSettings,
): ReadonlyMap<ServiceKey, readonly ServicePort[]> {
  const entries: [ServiceKey, readonly ServicePort[]][] = [];
  for (const { service, slices } of candidates) {
    if (service.type === 'ExternalName') continue;
    const ports = slices.length > 0 ? portsBySlices(backend, service, slices) : portsBySelector(backend, service);
    if (ports === null || ports.length === 0) continue;
    entries.push([frontKey(service, settings), ports]);
  }
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function portsBySelector(backend: Backend, service: KubeService): readonly ServicePort[] | null {
  if (service.selector === null || service.meta.namespace !== backend.namespace) return null;
  if (!selectorMatches(service.selector, backend.labels)) return null;
  return tcpPorts(service, (port) =>
    typeof port.targetPort === 'number' ? port.targetPort : backend.portNamed(port.targetPort),
  );
}

function portsBySlices(
  backend: Backend,
  service: KubeService,
  slices: readonly EndpointSlice[],
): readonly ServicePort[] | null {
  const mine = slices.filter((slice) =>
    slice.endpoints.some(
      (endpoint) => (endpoint.ready || service.publishNotReadyAddresses) && isEndpointOf(endpoint, backend),
    ),
  );
  if (mine.length === 0) return null;
  const offered = mine.flatMap((slice) => slice.ports);
  return tcpPorts(service, ({ name }) => offered.find((port) => port.name === name && port.protocol === 'TCP')?.port);
}

/** An endpoint that names a pod is that pod's alone: pods in the host's network share an address. */
export function isEndpointOf(
  endpoint: SliceEndpoint,
  backend: Pick<Backend, 'pod' | 'namespace' | 'addresses'>,
): boolean {
  if (endpoint.targetRef?.kind === 'Pod') {
    return endpoint.targetRef.name === backend.pod && endpoint.targetRef.namespace === backend.namespace;
  }
  return endpoint.addresses.some((address) => backend.addresses.includes(address));
}

/** Ports whose target is unknown for this backend are left out: it does not serve them. */
function tcpPorts(
  service: KubeService,
  targetOf: (port: KubeServicePort) => number | undefined,
): readonly ServicePort[] {
  return service.ports.flatMap((port) => {
    const targetPort = port.protocol === 'TCP' ? targetOf(port) : undefined;
    if (targetPort === undefined || targetPort === 0) return [];
    return [{ servicePort: port.port, targetPort, appProtocol: appProtocolOf(port) }];
  });
}

export function podBackend(pod: Pod): Backend {
  return {
    pod: pod.meta.name,
    namespace: pod.meta.namespace,
    labels: pod.meta.labels,
    // The node's address is not the pod's own.
    addresses: pod.hostNetwork ? [] : pod.podIps,
    portNamed: (name) => pod.containerPorts.find((port) => port.name === name && port.protocol === 'TCP')?.port,
  };
}
