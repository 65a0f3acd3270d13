import type { IpAddress } from './address.ts';
import type { Workload, WorkloadUid } from './workload.ts';

/**
 * Which workload holds an address, per network. An address may be claimed twice for a while, when a new pod got it
 * before the old one's removal was pushed: the latest claim counts and its removal uncovers the earlier one.
 */
export class WorkloadAddressIndex {
  /** Claims in order of arrival. Invariant: no empty network and no empty list. */
  readonly #networks = new Map<string, Map<IpAddress, WorkloadUid[]>>();

  /** A claim that `after` repeats keeps its place in the order. */
  put(before: Workload | undefined, after: Workload): void {
    if (before !== undefined) {
      const kept = after.network === before.network ? new Set(claimsOf(after)) : new Set<IpAddress>();
      for (const ip of claimsOf(before)) if (!kept.has(ip)) this.#drop(before, ip);
    }
    for (const ip of claimsOf(after)) this.#claim(after, ip);
  }

  remove(workload: Workload): void {
    for (const ip of claimsOf(workload)) this.#drop(workload, ip);
  }

  find(network: string, ip: IpAddress): WorkloadUid | undefined {
    return this.#networks.get(network)?.get(ip)?.at(-1);
  }

  #claim({ network, uid }: Workload, ip: IpAddress): void {
    let addresses = this.#networks.get(network);
    if (addresses === undefined) {
      addresses = new Map();
      this.#networks.set(network, addresses);
    }
    const uids = addresses.get(ip);
    if (uids === undefined) addresses.set(ip, [uid]);
    else if (!uids.includes(uid)) uids.push(uid);
  }

  #drop({ network, uid }: Workload, ip: IpAddress): void {
    const addresses = this.#networks.get(network);
    const rest = addresses?.get(ip)?.filter((claimed) => claimed !== uid);
    if (addresses === undefined || rest === undefined) return;
    if (rest.length > 0) addresses.set(ip, rest);
    else addresses.delete(ip);
    if (addresses.size === 0) this.#networks.delete(network);
  }
}

/** Those that are the workload's own: addresses of the host belong to the host, not to a pod that shares its network. */
export function claimsOf(workload: Workload): readonly IpAddress[] {
  return workload.networkMode === 'host-network' ? [] : workload.addresses;
}
