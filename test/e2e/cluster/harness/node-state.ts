import type { Cluster } from './cluster.ts';

/** What belongs to the pods and to the runtime, and comes and goes with them. */
const TRANSIENT = [/^\/run\/(?:containerd|kit|netns|utmp|lock)(?:[/ ]|$)/, /^\/var\/lib\/(?:kubelet|containerd|cni)\//];

const FILES = `find /etc /opt /srv /run /var/lib /usr/libexec -xdev -printf '%p %M %U:%G %s\\n' 2>/dev/null
find /run /var/lib/ambit /etc/cni/net.d /opt/cni/bin -printf '%p %M %U:%G %s\\n' 2>/dev/null
sha256sum /etc/cni/net.d/* /opt/cni/bin/*`;
/** nft shows the rules of iptables in words that differ from one listing to the next: those are in iptables' own words. */
const RULES = `nft list tables | grep -vE '^table ip6? (filter|nat|mangle|raw|security)$' |
while read -r table; do nft -s list $table; done
{ iptables-save; ip6tables-save; } | sed '/^#/d; s/^\\(:.*\\) \\[.*/\\1/'`;
const NETWORK = `ip rule; ip -o link; ip -br addr; ip route
sysctl -a 2>/dev/null | grep '^net\\.' | grep -vE 'nf_conntrack_count|\\.veth|rss|tcp_fastopen_key|route\\.min_adv'
grep -vE 'containerd|kubelet|netns' /proc/mounts | sed 's/,uuid=on//'`;

/**
 * What can be seen of a node from outside of its pods: files with their modes and, where plug-ins are, contents; kernel
 * rules, interfaces, routes, settings, mounts. Names and addresses that the next pod would have differently are replaced.
 * One line each, sorted.
 */
export async function nodeState(cluster: Cluster, node: string): Promise<string[]> {
  const files = await cluster.onNode(node, ['sh', '-c', FILES]);
  const network = await cluster.onNode(node, ['sh', '-c', `${RULES}\n${NETWORK}`]);
  const lines = [
    ...files.split('\n').filter((line) => !TRANSIENT.some((pattern) => pattern.test(line))),
    ...network.split('\n').map(withoutPods),
  ];
  return [...new Set(lines.map((line) => line.trim()))].toSorted();
}

function withoutPods(line: string): string {
  return line
    .replaceAll(/\bveth[0-9a-f]+\b/g, 'VETH')
    .replaceAll(/^\d+: /g, '')
    .replaceAll(/@if\d+/g, '')
    .replaceAll(/link-netns(?:id)? \S+/g, '')
    .replaceAll(/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|fe80::[0-9a-f:]+/g, 'MAC')
    .replaceAll(/KUBE-SEP-[0-9A-Z]+/g, 'KUBE-SEP')
    .replaceAll(/\b10\.\d+\.[12]\.\d+\b/g, 'POD');
}
