import { type AllowedBlock, type Cidr, disjointCidrs, type LockedEgress } from '@ambit/mesh/model';
import { blockConditions } from './excluded-conditions.ts';

/** What a pod may send past the node agent while its egress is locked. */
export interface EgressRules {
  readonly locked: LockedEgress;
  /** Addresses inside are the mesh's, whatever is sent there. */
  readonly meshRanges: readonly Cidr[];
}

/**
 * Rules of a chain that everything comes to that leaves the pod and is not the node agent's: what is for the mesh, what is an answer, and
 * what the network itself lives by returns. TCP that is captured does not come here: it goes to the agent, who knows what is
 * allowed. Of what is not, and of all else, the kernel knows no more than addresses.
 */
export function lockedEgressRules({ locked, meshRanges }: EgressRules): readonly string[] {
  return [
    'ct direction reply return',
    ...['ip daddr 127.0.0.0/8', 'ip6 daddr ::1', ...blockConditions('daddr', disjointCidrs(meshRanges))].map(returns),
    ...allowedConditions(locked.allowed).map(returns),
    'udp dport 53 return',
    // Sent by the kernel, and of no connection that it tracks.
    'icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld-listener-done, mld2-listener-report } return',
    'icmp type { destination-unreachable, time-exceeded, parameter-problem } return',
    'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } return',
    'meta l4proto tcp counter reject with tcp reset',
    'counter reject',
  ];
}

/** Only TCP has ports that a policy speaks of. */
function allowedConditions(allowed: readonly AllowedBlock[]): readonly string[] {
  const byPorts = Map.groupBy(allowed, ({ ports }) => [...new Set(ports)].sort((a, b) => a - b).join(', '));
  return [...byPorts].flatMap(([ports, entries]) => {
    const ofPorts = ports === '' ? 'meta l4proto tcp' : `tcp dport { ${ports} }`;
    const blocks = disjointCidrs(entries.map(({ block }) => block));
    return blockConditions('daddr', blocks).map((condition) => `${condition} ${ofPorts}`);
  });
}

function returns(condition: string): string {
  return `${condition} return`;
}
