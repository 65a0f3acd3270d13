import type { EndpointSlice, Namespace } from '@ambit/mesh/kinds';
import type { IpAddress, Workload } from '@ambit/mesh/model';
import type { MeshSettings } from './mesh-settings.ts';
import { networkOf } from './network-of.ts';
import { plainWorkload } from './plain-workload.ts';
import { type ServiceCandidate, serviceMemberships } from './service-membership.ts';

/** Everything beside the address that a workload is made of. */
export interface EndpointAddressSurroundings {
  readonly namespace: Namespace | undefined;
  readonly services: readonly ServiceCandidate[];
}

/**
 * A bare address that slices of one namespace name and no pod or external workload has: reachable in plaintext, without an
 * identity. Null when nothing serves there.
 */
export function workloadFromEndpointAddress(
  address: IpAddress,
  slices: readonly EndpointSlice[],
  around: EndpointAddressSurroundings,
  settings: MeshSettings,
): Workload | null {
  const [first] = slices;
  const endpoints = slices.flatMap((slice) =>
    slice.endpoints.filter((endpoint) => endpoint.addresses.includes(address)),
  );
  const bare = endpoints.filter((endpoint) => endpoint.targetRef?.kind !== 'Pod');
  if (first === undefined || bare.length === 0) return null;
  const namespace = first.meta.namespace;
  const backend = {
    pod: null,
    namespace,
    labels: new Map<string, string>(),
    addresses: [address],
    portNamed: () => undefined,
  };
  const name = address.replaceAll(':', '-');
  const workload = plainWorkload(
    {
      path: `/discovery.k8s.io/EndpointSlice/${namespace}/${name}`,
      name,
      namespace,
      addresses: [address],
      hostname: '',
      network: networkOf(undefined, around.namespace, settings),
      services: serviceMemberships(backend, around.services, settings),
      canonicalName: name,
    },
    settings,
  );
  return bare.some((endpoint) => endpoint.ready) ? workload : { ...workload, status: 'unhealthy' };
}
