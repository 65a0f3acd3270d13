import { type Cidr, createCidr, formatCidr, type IpAddress, ipAddressToBytes } from './address.ts';

/** Addresses that belong to the mesh whether or not anybody has them yet, such as those that a node gives to its pods. */
export interface MeshRanges {
  /** What they are the ranges of; unique in the mesh. */
  readonly name: string;
  readonly network: string;
  readonly blocks: readonly Cidr[];
}

/** Which addresses are in any of many ranges. A look-up costs as much as there are different prefix lengths, which are few. */
export class RangeIndex {
  readonly #byName = new Map<string, MeshRanges>();
  /** By network and prefix length, then by block: how many ranges have it. Invariant: no count of zero, no empty inner map. */
  readonly #blocks = new Map<string, Map<number, Map<string, number>>>();

  get size(): number {
    return this.#byName.size;
  }

  put(ranges: MeshRanges): void {
    this.remove(ranges.name);
    this.#byName.set(ranges.name, ranges);
    const ofNetwork = this.#blocks.get(ranges.network) ?? new Map<number, Map<string, number>>();
    this.#blocks.set(ranges.network, ofNetwork);
    for (const block of ranges.blocks) {
      const ofLength = ofNetwork.get(block.prefixLength) ?? new Map<string, number>();
      ofNetwork.set(block.prefixLength, ofLength);
      const key = formatCidr(block);
      ofLength.set(key, (ofLength.get(key) ?? 0) + 1);
    }
  }

  remove(name: string): void {
    const ranges = this.#byName.get(name);
    if (ranges === undefined) return;
    this.#byName.delete(name);
    const ofNetwork = this.#blocks.get(ranges.network);
    for (const block of ranges.blocks) {
      const ofLength = ofNetwork?.get(block.prefixLength);
      const key = formatCidr(block);
      const left = (ofLength?.get(key) ?? 1) - 1;
      if (left > 0) ofLength?.set(key, left);
      else ofLength?.delete(key);
      if (ofLength?.size === 0) ofNetwork?.delete(block.prefixLength);
    }
    if (ofNetwork?.size === 0) this.#blocks.delete(ranges.network);
  }

  contains(network: string, ip: IpAddress): boolean {
    const ofNetwork = this.#blocks.get(network);
    if (ofNetwork === undefined) return false;
    const bytes = ipAddressToBytes(ip);
    for (const [length, blocks] of ofNetwork) {
      if (length <= bytes.length * 8 && blocks.has(formatCidr(createCidr(bytes, length)))) return true;
    }
    return false;
  }
}
