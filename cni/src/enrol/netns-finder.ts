import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { NetnsHandle, type NetnsIdentity, runInNetns } from '@ambit/mesh/linux';
import { type IpAddress, ipAddressFromBytes, isLoopback, parseIpAddress } from '@ambit/mesh/model';
import { CniError } from '../errors.ts';

/** Finds the network namespace of a pod. */
export interface NetnsFinder {
  /** Which namespace is there now, or null. */
  identify(pod: PodIdentity): NetnsIdentity | null;
  /**
   * Opens it. @throws CniError `netns-not-found` when there is none, `netns-mismatch` when it holds none of the addresses: both
   * may be right a moment later.
   */
  open(pod: PodIdentity, addresses: readonly IpAddress[]): NetnsHandle;
  /** Opens it whatever it holds, or null. */
  openUnchecked(pod: PodIdentity): NetnsHandle | null;
}

export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

export interface PodIdentity extends PodName {
  readonly uid: string;
  /** Of a static pod, of which the API server has a mirror with this `uid`: the one that its kubelet, and control groups, have. */
  readonly kubeletUid?: string;
}

/** Namespaces as files `<directory>/<namespace>-<name>`, as `ip netns` keeps them. */
export class DirectoryNetnsFinder implements NetnsFinder {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  identify(pod: PodName): NetnsIdentity | null {
    const stat = statSync(this.#path(pod), { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? null : { device: stat.dev, inode: stat.ino };
  }

  open(pod: PodName, addresses: readonly IpAddress[]): NetnsHandle {
    const path = this.#path(pod);
    const handle = this.openUnchecked(pod);
    if (handle === null) throw new CniError('netns-not-found', { retryable: true, data: { path } });
    // `a-b` + `c` and `a` + `b-c` share a path: only its addresses tell whose namespace this is.
    return checkOwner(handle, path, addresses);
  }

  openUnchecked(pod: PodName): NetnsHandle | null {
    try {
      return NetnsHandle.open(this.#path(pod));
    } catch {
      return null; // Gone, or never there.
    }
  }

  #path(pod: PodName): string {
    return join(this.#directory, `${pod.namespace}-${pod.name}`);
  }
}

/** `handle`, when the namespace holds one of the addresses; disposes it otherwise. @throws CniError `netns-mismatch`. */
export function checkOwner(handle: NetnsHandle, path: string, addresses: readonly IpAddress[]): NetnsHandle {
  try {
    const held = addressesIn(handle);
    if (addresses.some((address) => held.has(address))) return handle;
    throw new CniError('netns-mismatch', { retryable: true, data: { path, expected: addresses.join(' ') } });
  } catch (error) {
    handle[Symbol.dispose]();
    throw error;
  }
}

/**
 * Addresses of the namespace but for loopback. Read from the kernel's tables: getifaddrs, as Node has it, leaves out links that
 * came up a moment ago.
 */
function addressesIn(netns: NetnsHandle): ReadonlySet<IpAddress> {
  const { ipv4, ipv6 } = runInNetns(netns, () => ({ ipv4: readTable('fib_trie'), ipv6: readTable('if_inet6') }));
  const found = new Set<IpAddress>();
  for (const [, address] of ipv4.matchAll(/\|-- (\S+)\n\s+\/32 host LOCAL/g)) found.add(parseIpAddress(address ?? ''));
  for (const [, address] of ipv6.matchAll(/^([\da-f]{32}) /gm))
    found.add(ipAddressFromBytes(Buffer.from(address ?? '', 'hex')));
  return new Set([...found].filter((address) => !isLoopback(address)));
}

/** Empty when the kernel lacks the family. */
function readTable(name: string): string {
  try {
    return readFileSync(`/proc/thread-self/net/${name}`, 'latin1');
  } catch {
    return '';
  }
}
