import type { Cluster } from './cluster.ts';

/** Milliseconds that containerd needed to make the sandboxes of a namespace's pods on a node, network included; from its log. */
export async function sandboxTimes(cluster: Cluster, node: string, namespace: string): Promise<number[]> {
  const log = await cluster.onNode(node, ['grep', '-h', 'RunPodSandbox for', '/var/log/containerd.log']);
  const began = new Map<string, number>();
  const times: number[] = [];
  for (const line of log.split('\n')) {
    const [, time = '', uid = '', of, rest = ''] =
      /^time="([^"]+)".*Uid:([^,]+),Namespace:([^,]+),Attempt:\d+,\}(.*)$/.exec(line) ?? [];
    if (of !== namespace) continue;
    const at = Date.parse(time) + fractionBelowMilliseconds(time);
    const start = began.get(uid);
    if (rest.includes('returns sandbox id') && start !== undefined) times.push(at - start);
    else if (!rest.includes('returns')) began.set(uid, at);
  }
  return times;
}

function fractionBelowMilliseconds(time: string): number {
  return Number(`0.${/\.\d{3}(\d*)/.exec(time)?.[1] ?? '0'}`);
}
