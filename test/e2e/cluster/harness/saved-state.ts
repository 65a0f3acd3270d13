import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import { nodeState } from './node-state.ts';

const LOOK_MS = 1000;

/** Per node its state, kept beside the kubeconfig: it goes away with the cluster. */
async function pathOf(cluster: Cluster): Promise<string> {
  return join(dirname((await cluster.kit(['kubeconfig'])).trim()), 'nodes-before-ambit.json');
}

/** Notes what the nodes are like, for `changesLeft` in a later scenario file. */
export async function saveNodes(cluster: Cluster): Promise<void> {
  writeFileSync(await pathOf(cluster), JSON.stringify(await allNodes(cluster)));
}

/**
 * What is there now and was not when the nodes were noted (`n1 + ...`), and what is gone (`n1 - ...`): nothing as soon as that is so,
 * else what still differs at the deadline.
 */
export async function changesLeft(cluster: Cluster, deadlineMs: number): Promise<readonly string[]> {
  const text = readFileSync(await pathOf(cluster), 'utf8');
  const before = new Map(JSON.parse(text) as [string, string[]][]); // lint: written above
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const changes = (await allNodes(cluster)).flatMap(([node, now]) => changesOf(node, before.get(node) ?? [], now));
    if (changes.length === 0 || performance.now() > endMs) return changes;
    await sleep(LOOK_MS);
  }
}

function changesOf(node: string, before: readonly string[], now: readonly string[]): readonly string[] {
  const [then, present] = [new Set(before), new Set(now)];
  const added = now.filter((line) => !then.has(line)).map((line) => `${node} + ${line}`);
  const gone = before.filter((line) => !present.has(line)).map((line) => `${node} - ${line}`);
  return [...added, ...gone];
}

async function allNodes(cluster: Cluster): Promise<[string, string[]][]> {
  return Promise.all(
    cluster.nodes.map(async (node): Promise<[string, string[]]> => [node, await nodeState(cluster, node)]),
  );
}
