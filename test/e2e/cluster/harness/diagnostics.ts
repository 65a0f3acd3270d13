import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NAMESPACE } from './ambit.ts';
import type { Cluster } from './cluster.ts';

/** Of each log and listing this much of the end is kept. */
const TEXT_CHARACTERS_MAX = 200_000;
const LOG_LINES = '400';
const COLLECT_MS = 30_000;

type Source = readonly [file: string, read: () => Promise<string>];

/**
 * Writes what somebody needs to find out why a scenario failed into a new directory, and resolves with its path. What
 * cannot be read is a file that says why.
 */
export async function collectDiagnostics(cluster: Cluster): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ambit-cluster-'));
  const kubectl = (...args: string[]) => cluster.kubectl(args, { timeoutMs: COLLECT_MS });
  const sources: Source[] = [
    ['pods.txt', () => kubectl('get', 'pods', '-A', '-o', 'wide', '--show-labels')],
    ['pods-described.txt', () => kubectl('describe', 'pods', '-A')],
    ['nodes.txt', () => kubectl('describe', 'nodes')],
    ['events.txt', () => kubectl('get', 'events', '-A', '--sort-by=.metadata.creationTimestamp')],
    ['ambit.yaml', () => kubectl('get', 'ambit', '-A', '-o', 'yaml')],
    ['gateway-api.yaml', () => kubectl('get', 'gateway-api', '-A', '-o', 'yaml')],
    ['services.yaml', () => kubectl('get', 'services', '-A', '-o', 'yaml')],
    ...(await ambitPods(cluster)).flatMap(([namespace, pod]): Source[] => [
      [`${pod}.log`, () => kubectl('-n', namespace, 'logs', pod, '--all-containers', '--tail', LOG_LINES)],
      [`${pod}.previous.log`, () => kubectl('-n', namespace, 'logs', pod, '--previous', '--tail', LOG_LINES)],
    ]),
    ...cluster.nodes.flatMap((node) => nodeSources(cluster, node)),
  ];
  for (const [file, read] of sources) {
    const text = await read().catch((error: unknown) => `could not be read: ${String(error)}\n`);
    await writeFile(join(folder, file), text.slice(-TEXT_CHARACTERS_MAX));
  }
  return folder;
}

function nodeSources(cluster: Cluster, node: string): Source[] {
  const sh = (script: string) => cluster.onNode(node, ['sh', '-c', script], { timeoutMs: COLLECT_MS });
  const inEachNetns = 'for f in /run/netns/*; do echo "=== $f"; nsenter --net="$f" sh -c';
  return [
    [`${node}-rules.txt`, () => sh(`${inEachNetns} "ip -br addr; ip rule; nft list ruleset; ss -tan"; done 2>&1`)],
    [`${node}-host.txt`, () => sh('ip -br addr; ip rule; ip route; nft list tables; ls -la /run/ambit /var/lib/ambit')],
    [`${node}-cni.txt`, () => sh('tail -n +1 /etc/cni/net.d/*; ls -la /opt/cni/bin')],
    [`${node}-containerd.log`, () => sh(`tail -n ${LOG_LINES} /var/log/containerd.log`)],
    [`${node}-kubelet.log`, () => sh(`tail -n ${LOG_LINES} /var/log/kubelet.log`)],
  ];
}

/** Of the chart and of waypoints: namespace and name. */
async function ambitPods(cluster: Cluster): Promise<(readonly [string, string])[]> {
  const path = '{range .items[*]}{.metadata.namespace} {.metadata.name}{"\\n"}{end}';
  const chosen = [
    ['-n', NAMESPACE, 'pods'],
    ['-A', 'pods', '-l', 'gateway.networking.k8s.io/gateway-class-name=ambit-waypoint'],
  ];
  const lists = await Promise.all(chosen.map((which) => cluster.read(which, path).catch(() => '')));
  return lists
    .join('')
    .split('\n')
    .map((line) => line.split(' '))
    .flatMap(([namespace = '', name = '']) => (name === '' ? [] : [[namespace, name] as const]));
}
