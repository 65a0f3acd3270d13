import { execFileSync } from 'node:child_process';
import type { TestNetns } from '@ambit/mesh/testing';

/** Mark of the agent's own sockets in tests. */
export const TEST_PACKET_MARK = 0x539;
const RETURN_MARK = 0x111;

// The rules of protocol.md 2.2 as far as these tests need them. The real ones are the CNI agent's; together they are
// tested end to end. Marks are compared whole, since nobody else marks packets here.
const RULES = `table inet test {
  chain borrowed_zone { type filter hook output priority raw; oifname lo tcp sport != 15001 meta mark ${TEST_PACKET_MARK} ct original zone set 2; }
  chain mark_inbound { type filter hook prerouting priority mangle; ct state new ct direction original meta mark ${TEST_PACKET_MARK} ct mark set ${RETURN_MARK}; }
  chain mark_replies { type route hook output priority mangle; ct mark ${RETURN_MARK} meta mark set ct mark; }
  chain inbound {
    type nat hook prerouting priority dstnat;
    ip daddr 127.0.0.0/8 accept
    ip6 daddr ::1 accept
    tcp dport != 15008 meta mark != ${TEST_PACKET_MARK} redirect to :15006
  }
  chain outbound {
    type nat hook output priority -100;
    meta mark ${RETURN_MARK} accept
    oifname lo accept
    meta l4proto tcp meta mark != ${TEST_PACKET_MARK} redirect to :15001
  }
}
`;

// As the CNI agent's: what is captured, and what the agent itself asks, are tracked apart.
const DNS_RULES = `table inet test_dns {
  chain zone_output {
    type filter hook output priority raw;
    meta l4proto { tcp, udp } th dport 53 meta mark ${TEST_PACKET_MARK} ct zone set 1
    oifname != lo udp dport 53 meta mark != ${TEST_PACKET_MARK} ct zone set 3
    udp sport 15053 meta mark ${TEST_PACKET_MARK} ct zone set 3
  }
  chain zone_inbound { type filter hook prerouting priority raw; meta l4proto { tcp, udp } th sport 53 meta mark != ${TEST_PACKET_MARK} ct zone set 1; }
  chain outbound {
    type nat hook output priority -101;
    oifname != lo meta l4proto { tcp, udp } th dport 53 meta mark != ${TEST_PACKET_MARK} redirect to :15053
  }
}
`;

/** Captures the pod's TCP for a node agent, and its DNS if it is served, for the life of the namespace. */
export function redirectPod(netns: TestNetns, dns = false): void {
  execFileSync('nsenter', [`--net=${netns.path}`, 'nft', '-f', '-'], { input: dns ? RULES + DNS_RULES : RULES });
  for (const [family, everything] of [
    ['-4', '0.0.0.0/0'],
    ['-6', '::/0'],
  ] as const) {
    netns.run('ip', family, 'rule', 'add', 'fwmark', String(RETURN_MARK), 'lookup', '100');
    netns.run('ip', family, 'route', 'add', 'local', everything, 'dev', 'lo', 'table', '100');
  }
}
