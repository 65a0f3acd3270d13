import type { Node, Pod } from '@ambit/mesh/kinds';
import { type Cidr, type IpAddress, ipAddressFromBytes, parseIpAddress, type PodProbes } from '@ambit/mesh/model';

/** Where Cilium writes the address of its host interface, from which the host reaches pods. */
const CILIUM_ANNOTATIONS = [
  'network.cilium.io/ipv4-cilium-host',
  'network.cilium.io/ipv6-cilium-host',
  'io.cilium.network.ipv4-cilium-host',
  'io.cilium.network.ipv6-cilium-host',
] as const;

/** What the node agent of the pod is told of its probes; undefined for a pod without any. */
export function probesOfPod({ probes }: Pod, node: Node | undefined): PodProbes | undefined {
  return probes.length === 0 ? undefined : { nodeAddresses: node === undefined ? [] : nodeAddresses(node), probes };
}

/**
 * Addresses the kubelet may reach pods of its node from, as far as Kubernetes tells: the node's own (Calico, VPC networks), the first
 * of each pod range, which bridge and point-to-point networks give to the host's end, and Cilium's. The CNI agent of the
 * node knows better and tells the node agent by itself.
 */
export function nodeAddresses(node: Node): readonly IpAddress[] {
  const cilium = CILIUM_ANNOTATIONS.flatMap((name) => addressIn(node.meta.annotations.get(name)));
  return [...new Set([...node.addresses, ...node.podCidrs.flatMap(gatewayOf), ...cilium])];
}

/** None for a range without room for a gateway. */
function gatewayOf({ bytes, prefixLength }: Cidr): readonly IpAddress[] {
  if (prefixLength > bytes.length * 8 - 2) return [];
  const first = Uint8Array.from(bytes);
  first[first.length - 1] = (first.at(-1) ?? 0) + 1;
  return [ipAddressFromBytes(first)];
}

function addressIn(text: string | undefined): readonly IpAddress[] {
  if (text === undefined) return [];
  try {
    return [parseIpAddress(text)];
  } catch {
    // An annotation is anybody's text.
    return [];
  }
}
