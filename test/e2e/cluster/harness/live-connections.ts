import { type ComponentPod, componentPid } from './ambit.ts';
import type { Cluster } from './cluster.ts';

/** What a node agent tells of a connection that it carries. */
export interface LiveConnection {
  readonly direction: 'inbound' | 'outbound';
  /** `ip:port` of the caller itself, or inbound of the tunnel that it came by. */
  readonly source: string;
}

/** Those to an `ip:port` that the node agent of this pod carries now. */
export async function liveConnections(
  cluster: Cluster,
  agent: ComponentPod,
  destination: string,
): Promise<readonly LiveConnection[]> {
  const url = `http://127.0.0.1:15000/connections?destination=${destination}`;
  // The admin interface is on the loopback of the agent's pod, whose image has no programs.
  const enter = ['nsenter', '--target', await componentPid(cluster, agent), '--net'];
  const text = await cluster.onNode(agent.node, [...enter, 'curl', '-sSf', '--max-time', '5', url]);
  return JSON.parse(text) as LiveConnection[]; // lint: a test fails on anything else
}
