import { type ComponentPod, componentPid } from './ambit.ts';
import type { Cluster } from './cluster.ts';

/** What `/connections` of a node agent is asked for (docs/reference/node-agent.md, Admin). */
export interface LiveConnectionFilter {
  readonly direction: 'inbound' | 'outbound';
  readonly namespace: string;
  readonly pod: string;
  readonly destination?: string;
}

/**
 * How many connections of this kind the node agent of a pod carries now. Which they are cannot be told by the callers' ports: where two
 * connections of a pod have one source port and different destinations, the redirection gives the second another port.
 */
export async function liveConnectionCount(
  cluster: Cluster,
  agent: ComponentPod,
  filter: LiveConnectionFilter,
): Promise<number> {
  const url = `http://127.0.0.1:15000/connections?${new URLSearchParams({ ...filter }).toString()}`;
  // The admin interface is on the loopback of the agent's pod, whose image has no programs.
  const enter = ['nsenter', '--target', await componentPid(cluster, agent), '--net'];
  const text = await cluster.onNode(agent.node, [...enter, 'curl', '-sSf', '--max-time', '5', url]);
  return (JSON.parse(text) as unknown[]).length; // lint: a test fails on anything else
}
