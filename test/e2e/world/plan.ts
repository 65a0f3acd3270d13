import type { MeshObject, Pod } from '@ambit/mesh/kinds';
import type { HostPlan } from './network.ts';

/**
 * The hosts and pods that a directory of manifests describes: one host per Node, in order of name, each with the pods whose
 * `spec.nodeName` it is. A host's pod blocks are the /24 and /64 its pods live in.
 * @throws Error when a pod names a Node that is not there, or two pods of a host live in different blocks of one family.
 */
export function planHosts(objects: readonly MeshObject[]): HostPlan[] {
  const nodes = objects.filter((object) => object.kind === 'Node').map((node) => node.meta.name);
  const pods = objects.filter((object) => object.kind === 'Pod').filter((pod) => !pod.hostNetwork);
  for (const pod of pods) {
    if (!nodes.includes(pod.nodeName))
      throw new Error(`pod ${pod.meta.name} runs on ${pod.nodeName}, which is no Node`);
  }
  return nodes.toSorted().map((name) =>
    planHost(
      name,
      pods.filter((pod) => pod.nodeName === name),
    ),
  );
}

function planHost(name: string, pods: readonly Pod[]): HostPlan {
  const blocks = new Set(pods.flatMap((pod) => pod.podIps.map(blockOf)));
  for (const v6 of [false, true]) {
    const ofFamily = [...blocks].filter((block) => block.includes(':') === v6);
    if (ofFamily.length > 1) throw new Error(`pods of ${name} live in ${ofFamily.join(' and ')}; a host has one block`);
  }
  return {
    name,
    podBlocks: [...blocks],
    pods: pods.map((pod) => ({ namespace: pod.meta.namespace, name: pod.meta.name, addresses: pod.podIps })),
  };
}

/** `10.10.1.12` -> `10.10.1.0/24`; `fd10:10:1::12` -> `fd10:10:1::/64` (addresses here end in `::` and one group). */
function blockOf(ip: string): string {
  return ip.includes(':') ? ip.replace(/::[^:]*$/, '::/64') : ip.replace(/\.\d+$/, '.0/24');
}
