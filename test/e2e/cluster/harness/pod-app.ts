import { AppHandle } from '../../world/apps/app-handle.ts';
import type { Cluster } from './cluster.ts';

/** Where containerd keeps the process id of a container's first process, for its own restarts. */
const TASKS = '/run/containerd/io.containerd.runtime.v2.task/k8s.io';

/** What a test must know of a running pod to enter it and to call it. */
export interface RunningPod {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly ip: string;
  /** Of its first container, as containerd names it. */
  readonly containerId: string;
}

/** Resolves when the pods are Ready, in the order named. @throws Error with kubectl's message after `timeoutMs`. */
export async function readyPods(
  cluster: Cluster,
  namespace: string,
  names: readonly string[],
  timeoutMs = 90_000,
): Promise<RunningPod[]> {
  const seconds = Math.round(timeoutMs / 1000);
  const targets = names.map((name) => `pod/${name}`);
  await cluster.kubectl(['-n', namespace, 'wait', '--for=condition=Ready', `--timeout=${seconds}s`, ...targets], {
    timeoutMs: timeoutMs + 10_000,
  });
  return Promise.all(names.map((name) => runningPod(cluster, namespace, name)));
}

export async function runningPod(cluster: Cluster, namespace: string, name: string): Promise<RunningPod> {
  const fields = '{.spec.nodeName} {.status.podIP} {.status.containerStatuses[0].containerID}';
  const [node = '', ip = '', id = ''] = (await cluster.read(['-n', namespace, 'pod', name], fields)).split(' ');
  return { namespace, name, node, ip, containerId: id.replace('containerd://', '') };
}

/**
 * The command that runs a program inside a container, in its mounts, processes and network, as `kubectl exec` does, but
 * without the API server, kubelet and containerd, which tests stop. To be run on the pod's node.
 */
export async function insideContainer(
  cluster: Cluster,
  pod: RunningPod,
  command: readonly string[],
): Promise<readonly string[]> {
  const pid = (await cluster.onNode(pod.node, ['cat', `${TASKS}/${pod.containerId}/init.pid`])).trim();
  return ['nsenter', '--target', pid, '--mount', '--net', '--pid', '--uts', '--ipc', '--', ...command];
}

/** A client inside a pod of `appPod` that does what the test asks (`../../world/apps`). Ends with the pod. */
export async function podApp(cluster: Cluster, pod: RunningPod): Promise<AppHandle> {
  const options = { name: `${pod.namespace}/${pod.name}` };
  const command = await insideContainer(cluster, pod, ['/usr/bin/node', APP_PROGRAM, JSON.stringify(options)]);
  return AppHandle.start(options, () => cluster.spawnOnNode(pod.node, command));
}

/** Where the program is in `APP_IMAGE`. */
export const APP_PROGRAM = '/apps/app-program.ts';
