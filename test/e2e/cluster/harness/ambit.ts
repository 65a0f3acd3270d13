import { fileURLToPath } from 'node:url';
import { until } from '@ambit/mesh/testing';
import { type AccessRecord, accessRecords } from '../../demo/access-log.ts';
import { sumOfMetric } from '../../demo/metrics-text.ts';
import { SETTLE_MS } from './calls.ts';
import { type Cluster, run } from './cluster.ts';
import { insideContainer, runningPod } from './pod-app.ts';

/** Where the chart is installed. */
export const NAMESPACE = 'ambit-system';
export const RELEASE = 'ambit';
export const CHART: string = fileURLToPath(new URL('../../../../charts/ambit', import.meta.url));
export const COMPONENTS = ['ambit-controller', 'ambit-node-agent', 'ambit-cni'] as const;
/** The node agents of a node with `nodeAgent.perNode: 2`. */
export const BOTH_NODE_AGENTS = ['ambit-node-agent', 'ambit-node-agent-b'] as const;
export type Component = (typeof COMPONENTS)[number] | (typeof BOTH_NODE_AGENTS)[number];

const INSTALL_MS = 180_000;
/** What is read of a log. */
const LOG_LINES = '5000';

/** Installs the chart, or upgrades the release to these values; resolves when everything is Ready. */
export async function installAmbit(cluster: Cluster, values: readonly string[] = []): Promise<string> {
  const settings = values.flatMap((value) => ['--set', value]);
  const wait = ['--wait', '--timeout', `${INSTALL_MS / 1000}s`];
  const said = await cluster.helm(
    ['upgrade', '--install', RELEASE, CHART, '-n', NAMESPACE, '--create-namespace', ...wait, ...settings],
    { timeoutMs: INSTALL_MS + 30_000 },
  );
  await rolledOut(cluster);
  return said;
}

/** Installs the chart unless it is: scenario files run on one installation, and by themselves too. */
export async function ensureAmbit(cluster: Cluster): Promise<void> {
  const releases = await cluster.helm(['list', '-q', '-n', NAMESPACE]);
  if (!releases.split('\n').includes(RELEASE)) await installAmbit(cluster);
  else await rolledOut(cluster);
}

/** Resolves when all pods of these components are there and Ready. */
export async function rolledOut(cluster: Cluster, components: readonly Component[] = COMPONENTS): Promise<void> {
  for (const component of components) {
    const kind = component === 'ambit-controller' ? 'deployment' : 'daemonset';
    await cluster.kubectl(['-n', NAMESPACE, 'rollout', 'status', `${kind}/${component}`, '--timeout=150s'], {
      timeoutMs: INSTALL_MS,
    });
  }
}

export interface ComponentPod {
  readonly name: string;
  readonly node: string;
  readonly ip: string;
}

/** The pods of a component that are there to stay. */
export async function componentPods(cluster: Cluster, component: Component): Promise<ComponentPod[]> {
  const fields =
    '{range .items[*]}{.metadata.name} {.spec.nodeName} {.status.podIP} {.metadata.deletionTimestamp}\n{end}';
  const selector = ['-n', NAMESPACE, 'pods', '-l', `app.kubernetes.io/name=${component}`];
  return (await cluster.read(selector, fields))
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , ip = '', deleted]) => ip !== '' && deleted === '')
    .map(([name = '', node = '', ip = '']) => ({ name, node, ip }));
}

/** One of them, on a node or anywhere, once it is there. */
export async function componentPod(cluster: Cluster, component: Component, node?: string): Promise<ComponentPod> {
  return await until(
    `there is a pod of ${component} on ${node ?? 'a node'}`,
    async () => (await componentPods(cluster, component)).find((pod) => node === undefined || pod.node === node),
    SETTLE_MS,
  );
}

/** Deletes a component's pod, as an administrator restarts it, and resolves when all are Ready again. */
export async function restartComponent(cluster: Cluster, component: Component, node?: string): Promise<void> {
  const { name } = await componentPod(cluster, component, node);
  await cluster.kubectl(['-n', NAMESPACE, 'delete', 'pod', name, '--wait'], { timeoutMs: INSTALL_MS });
  await rolledOut(cluster);
}

/** Process id of a component's pod, as its node sees it. */
export async function componentPid(cluster: Cluster, { name }: ComponentPod): Promise<string> {
  const pod = await runningPod(cluster, NAMESPACE, name);
  // nsenter --target PID ...
  const [, , pid = ''] = await insideContainer(cluster, pod, []);
  return pid;
}

/** Kills a component's processes, those of one node or all; kubelet starts them again, also without API server. */
export async function killComponent(cluster: Cluster, component: Component, node?: string): Promise<void> {
  for (const pod of await componentPods(cluster, component)) {
    if (node !== undefined && pod.node !== node) continue;
    await cluster.onNode(pod.node, ['kill', '-KILL', await componentPid(cluster, pod)]);
  }
}

const METRICS_PORTS = {
  'ambit-controller': 15_014,
  'ambit-node-agent': 15_020,
  'ambit-node-agent-b': 15_020,
  'ambit-cni': 15_014,
} as const satisfies Record<Component, number>;

/** Sum of a metric's samples in all pods of a component. */
export async function metric(
  cluster: Cluster,
  component: Component,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const values = (await componentPods(cluster, component)).map((pod) => podMetric(component, pod, name, labels));
  return (await Promise.all(values)).reduce((total, value) => total + value, 0);
}

/** The same of one of its pods. */
export async function podMetric(
  component: Component,
  { ip }: ComponentPod,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const url = `http://${ip}:${METRICS_PORTS[component]}/metrics`;
  return sumOfMetric(await run('curl', ['-sS', '--max-time', '5', url]), name, labels);
}

/** What the node agent of a node logged about connections of one direction, oldest first. */
export async function accessLog(
  cluster: Cluster,
  node: string,
  direction: 'inbound' | 'outbound',
): Promise<AccessRecord[]> {
  const { name } = await componentPod(cluster, 'ambit-node-agent', node);
  return accessRecords(await cluster.kubectl(['-n', NAMESPACE, 'logs', name, '--tail', LOG_LINES]), direction);
}

const REDIRECTION = 'ambit.dev/redirection';

/** Resolves once the CNI agent says that the pod is enrolled, or, for `null`, no longer says anything. */
export async function redirectionBecomes(
  cluster: Cluster,
  namespace: string,
  pod: string,
  value: 'enabled' | null,
): Promise<void> {
  await until(
    `${REDIRECTION} of ${namespace}/${pod} is ${value}`,
    async () => {
      const path = `{.metadata.annotations.${REDIRECTION.replaceAll('.', String.raw`\.`)}}`;
      return (await cluster.read(['-n', namespace, 'pod', pod], path)) === (value ?? '');
    },
    SETTLE_MS,
  );
}
