import type { Exclusions, PortRange } from '@ambit/mesh/kinds';
import { type Cidr, formatCidr } from '@ambit/mesh/model';

/** What packets of excluded connections look like, each an expression of nftables; any of a list may hold. */
export interface ExcludedConditions {
  /** That the pod sends on connections that it opens. */
  readonly calls: readonly string[];
  /** That come back on these. */
  readonly answers: readonly string[];
  /** That arrive on connections that others open to the pod. */
  readonly called: readonly string[];
  /** That the pod sends back on these. */
  readonly answered: readonly string[];
}

export function excludedConditions({ outboundPorts, outboundCidrs, inboundPorts }: Exclusions): ExcludedConditions {
  const toPort = (end: 'dport' | 'sport', ports: readonly PortRange[]): readonly string[] =>
    ports.length === 0 ? [] : [`tcp ${end} { ${ports.map(formatRange).join(', ')} }`];
  const toBlock = (end: 'daddr' | 'saddr'): readonly string[] =>
    blockConditions(end, outboundCidrs).map((condition) => `${condition} meta l4proto tcp`);
  return {
    calls: [...toPort('dport', outboundPorts), ...toBlock('daddr')],
    answers: [...toPort('sport', outboundPorts), ...toBlock('saddr')],
    called: toPort('dport', inboundPorts),
    answered: toPort('sport', inboundPorts),
  };
}

/** One expression for each family that has blocks; blocks must not overlap. */
export function blockConditions(end: 'daddr' | 'saddr', blocks: readonly Cidr[]): readonly string[] {
  return [['ip', 4] as const, ['ip6', 16] as const].flatMap(([family, length]) => {
    const own = blocks.filter(({ bytes }) => bytes.length === length).map(formatCidr);
    return own.length === 0 ? [] : [`${family} ${end} { ${own.join(', ')} }`];
  });
}

/** Words of a filter of `ss` that leave excluded connections out; they go behind another filter. */
export function exceptExcluded({ outboundPorts, outboundCidrs, inboundPorts }: Exclusions): readonly string[] {
  const notPort = (end: 'dport' | 'sport', { first, last }: PortRange): readonly string[] => {
    const between = first === last ? [end, '=', `:${first}`] : [end, 'ge', `:${first}`, 'and', end, 'le', `:${last}`];
    return ['and', 'not', '(', ...between, ')'];
  };
  return [
    ...outboundPorts.flatMap((range) => notPort('dport', range)),
    ...inboundPorts.flatMap((range) => notPort('sport', range)),
    ...outboundCidrs.flatMap((block) => ['and', 'not', 'dst', formatForFilter(block)]),
  ];
}

/** Without brackets `ss` takes what is behind the last colon for a port. */
function formatForFilter(block: Cidr): string {
  return block.bytes.length === 4 ? formatCidr(block) : `[${formatCidr(block)}]`;
}

function formatRange({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}
