import { type IpAddress, ipAddressFromBytes } from '@ambit/mesh/model';

/** Somebody who wants addresses of his own. Of claims with the same key the oldest counts. */
export interface AddressClaim {
  readonly key: string;
  readonly createdMs: number;
}

/** One of each family, IPv4 first. */
export type AllocatedAddresses = readonly [IpAddress, IpAddress];

/**
 * Of the range of IPv4, 240.240.0.0/16, but for its ends: a prime, so that whatever steps one takes all places are passed. That of IPv6,
 * 2001:2::/48, is used as far. Istio takes the same ranges.
 */
const PLACES = 65_521;

/**
 * Addresses for all claims, from their names: the same claims have the same addresses in every process and after every restart, and
 * nothing is written down. Of two whose names lead to the same place the older keeps it, so a claim moves only when one goes that was
 * older. Claims beyond the range get none.
 */
export function allocateAddresses(claims: readonly AddressClaim[]): ReadonlyMap<string, AllocatedAddresses> {
  const taken = new Set<number>();
  const allocated = new Map<string, AllocatedAddresses>();
  const oldestFirst = claims.toSorted((a, b) => a.createdMs - b.createdMs || (a.key < b.key ? -1 : 1));
  for (const { key } of oldestFirst) {
    if (allocated.has(key) || allocated.size === PLACES) continue;
    const hash = hashOf(key);
    const step = 1 + (Math.floor(hash / PLACES) % (PLACES - 1));
    let place = hash % PLACES;
    while (taken.has(place)) place = (place + step) % PLACES;
    taken.add(place);
    allocated.set(key, addressesAt(place + 1));
  }
  return allocated;
}

function addressesAt(number: number): AllocatedAddresses {
  const low = [number >> 8, number & 0xff];
  const v6 = Uint8Array.of(0x20, 0x01, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...low);
  return [ipAddressFromBytes(Uint8Array.of(240, 240, ...low)), ipAddressFromBytes(v6)];
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash ^= text.charCodeAt(at);
    hash = Math.imul(hash, 0x01000193) >>> 0;
  }
  return hash;
}
