import { type Component, componentPod, NAMESPACE } from './ambit.ts';
import type { Cluster } from './cluster.ts';
import { insideContainer, runningPod } from './pod-app.ts';

/** Resident memory of a component's process, in MB (10^6 bytes), on the first node for those that are on all. */
export async function residentMegabytes(cluster: Cluster, component: Component): Promise<number> {
  const node = component === 'ambit-controller' ? undefined : cluster.nodes[0];
  const { name } = await componentPod(cluster, component, node);
  const pod = await runningPod(cluster, NAMESPACE, name);
  // nsenter --target PID ...: its process, as the node sees it.
  const [, , pid = ''] = await insideContainer(cluster, pod, []);
  const status = await cluster.onNode(pod.node, ['cat', `/proc/${pid}/status`]);
  return Math.round((Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1_000_000);
}
