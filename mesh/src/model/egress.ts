import { type Cidr, cidrContainsBytes, type IpAddress, ipAddressToBytes, type Port } from './address.ts';

/** Addresses outside the mesh that a workload may call. */
export interface AllowedBlock {
  readonly block: Cidr;
  /** Empty: all. */
  readonly ports: readonly Port[];
}

/** What a workload may call outside the mesh; without one it may call everything. */
export interface LockedEgress {
  readonly allowed: readonly AllowedBlock[];
}

/** What is told of one workload. */
export const EGRESS_BLOCKS_MAX = 1024;

/** Locked, and nothing is allowed. */
export const NO_EGRESS: LockedEgress = { allowed: [] };

/** Whether `egress` lets a workload connect to an address outside the mesh. */
export function allowsEgress(
  egress: LockedEgress,
  { ip, port }: { readonly ip: IpAddress; readonly port: Port },
): boolean {
  const bytes = ipAddressToBytes(ip);
  return egress.allowed.some(
    ({ block, ports }) => (ports.length === 0 || ports.includes(port)) && cidrContainsBytes(block, bytes),
  );
}
