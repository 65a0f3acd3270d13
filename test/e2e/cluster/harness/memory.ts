import { type Component, componentPid, componentPods } from './ambit.ts';
import type { Cluster } from './cluster.ts';

/** Resident memory of a component's largest process, in MB (10^6 bytes). */
export async function residentMegabytes(cluster: Cluster, component: Component): Promise<number> {
  const sizes = (await componentPods(cluster, component)).map(async (pod) => {
    const status = await cluster.onNode(pod.node, ['cat', `/proc/${await componentPid(cluster, pod)}/status`]);
    return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1_000_000;
  });
  return Math.round(Math.max(...(await Promise.all(sizes))));
}
