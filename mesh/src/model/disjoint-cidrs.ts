import { type Cidr, cidrContainsBytes, formatCidr } from './address.ts';

/** The same addresses in blocks of which none is inside another, in one order. */
export function disjointCidrs(blocks: readonly Cidr[]): readonly Cidr[] {
  const kept: Cidr[] = [];
  for (const block of blocks.toSorted((a, b) => a.prefixLength - b.prefixLength)) {
    if (!kept.some((before) => cidrContainsBytes(before, block.bytes))) kept.push(block);
  }
  return kept.toSorted((a, b) => (formatCidr(a) < formatCidr(b) ? -1 : 1));
}
