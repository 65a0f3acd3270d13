import type { IpAddress } from './address.ts';
import type { MeshView } from './mesh-view.ts';
import type { Service } from './service.ts';
import type { Workload } from './workload.ts';

/** Who is meant by an address. */
export type Addressee =
  | { readonly kind: 'service'; readonly service: Service }
  | { readonly kind: 'workload'; readonly workload: Workload };

/**
 * Who is meant by an address: the service that has it, then the workload that has it, then the service of a block that it is in. A
 * block says less than an address: one that covers pods takes nothing away from what is known of them.
 */
export function addresseeOf(
  view: MeshView,
  network: string,
  ip: IpAddress,
  clientNamespace?: string,
): Addressee | undefined {
  const service = view.serviceByAddress(network, ip, clientNamespace);
  if (service !== undefined && has(service, ip)) return { kind: 'service', service };
  const workload = view.workloadByAddress(network, ip);
  if (workload !== undefined) return { kind: 'workload', workload };
  return service === undefined ? undefined : { kind: 'service', service };
}

function has(service: Service, ip: IpAddress): boolean {
  return service.addresses.some((address) => address.cidr === undefined && address.ip === ip);
}
