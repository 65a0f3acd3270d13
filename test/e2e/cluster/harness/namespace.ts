import type { Cluster, Manifest } from './cluster.ts';

export type Mode = 'ambient' | 'none' | 'unlabelled';

const MODE_LABEL = 'ambit.dev/mode';
const DELETION_MS = 120_000;
const ACCOUNT_MS = 120_000;

export function namespaceManifest(name: string, mode: Mode): Manifest {
  const labels = mode === 'unlabelled' ? {} : { [MODE_LABEL]: mode };
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

/** Makes namespaces with their default service accounts, new ones: what an interrupted run left is deleted first. */
export async function makeNamespaces(cluster: Cluster, modes: Readonly<Record<string, Mode>>): Promise<void> {
  const names = Object.keys(modes);
  await deleteNamespaces(cluster, names);
  await cluster.apply(...Object.entries(modes).map(([name, mode]) => namespaceManifest(name, mode)));
  // Pods are refused before their namespace has its account. Who makes it sits out a pause after an outage of the API server.
  const wait = ['wait', '--for=create', `--timeout=${ACCOUNT_MS / 1000}s`, 'serviceaccount/default'];
  await Promise.all(names.map((name) => cluster.kubectl(['-n', name, ...wait], { timeoutMs: ACCOUNT_MS + 5000 })));
}

/** Resolves when they are gone, or when their deletion has begun. */
export async function deleteNamespaces(
  cluster: Cluster,
  names: readonly string[],
  until: 'gone' | 'begun' = 'gone',
): Promise<void> {
  const wait = `--wait=${until === 'gone'}`;
  await cluster.kubectl(['delete', 'namespace', '--ignore-not-found', wait, ...names], { timeoutMs: DELETION_MS });
}

/** What an administrator types to enrol a namespace, or to take it out. */
export async function setMode(cluster: Cluster, namespace: string, mode: Mode): Promise<void> {
  await cluster.kubectl(['label', 'namespace', namespace, labelArgument(mode), '--overwrite']);
}

/** The same for one pod; its label wins. */
export async function setPodMode(cluster: Cluster, namespace: string, pod: string, mode: Mode): Promise<void> {
  await cluster.kubectl(['-n', namespace, 'label', 'pod', pod, labelArgument(mode), '--overwrite']);
}

function labelArgument(mode: Mode): string {
  return mode === 'unlabelled' ? `${MODE_LABEL}-` : `${MODE_LABEL}=${mode}`;
}
