import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildImages } from '../../../scripts/images/build-images.ts';
import { Cluster, CLUSTER_VARIABLE, KIT } from './harness/cluster.ts';
import type { ContainerRuntime } from './plan.ts';

export const ROOT: string = fileURLToPath(new URL('../../../', import.meta.url));
const UP_MS = 300_000;
const DOWN_MS = 60_000;
/** For images to be imported in all nodes. */
export const LOAD_MS = 300_000;

export interface ClusterRun {
  readonly name: string;
  readonly runtime: ContainerRuntime;
  /** Leave it running, and use it again the next time. */
  readonly keep: boolean;
}

/** What this machine lacks, or null. */
export function whyNotHere(): string | null {
  if (process.getuid?.() !== 0) return 'nodes of a cluster are namespaces and cgroups, which needs root';
  if (!existsSync('/sys/fs/cgroup/memory/tasks'))
    return 'the cluster needs cgroup version 1 hierarchies below /sys/fs/cgroup';
  return null;
}

/**
 * Builds what is missing of Kubernetes, starts a cluster, does `work` and takes it down, whatever happens; an interruption takes
 * it down too and ends the process, and `isInterrupted` tells work that fails meanwhile.
 */
export async function withCluster<T>(
  { name, runtime, keep }: ClusterRun,
  work: (cluster: Cluster, isInterrupted: () => boolean) => Promise<T>,
): Promise<T> {
  process.env['CONTAINERD'] = runtime;
  process.env[CLUSTER_VARIABLE] = name;
  console.log(`\ncluster ${name}, containerd: ${runtime}`);
  const cluster = new Cluster(name);
  await step('programs of Kubernetes', () => visibly(join(KIT, 'build'), []));
  let ending: Promise<string> | null = null;
  // Once, also when an interruption makes everything else fail meanwhile.
  const down = (): Promise<string> => (ending ??= cluster.kit(['down'], { timeoutMs: DOWN_MS }));
  const interrupted = (): void => {
    console.log('interrupted: the cluster is taken down');
    void down().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    await step('cluster', () => cluster.kit(['up'], { timeoutMs: UP_MS }));
    return await work(cluster, () => ending !== null);
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    if (keep) console.log(`cluster ${name} is left running; to end it: CLUSTER=${name} ${join(KIT, 'cluster')} down`);
    else await step('end of the cluster', down);
  }
}

/** Builds Ambit's images, unless they are there, and brings them to all nodes. */
export async function loadAmbit(cluster: Cluster): Promise<void> {
  await step('images of Ambit', async () => {
    const images = await buildImages(ROOT);
    await cluster.kit(['load', ...images.map(({ path }) => path)], { timeoutMs: LOAD_MS });
  });
}

/** Does one part of a run and prints how long it took. */
export async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work();
  console.log(`ok   ${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${name}`);
  return result;
}

/** Runs a program that shows its progress itself. */
function visibly(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
      .once('error', reject)
      .once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}`))));
  });
}
