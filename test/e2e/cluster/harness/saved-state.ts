import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { nodeState } from './node-state.ts';

/** Per node its state, kept beside the kubeconfig: it goes away with the cluster. */
async function pathOf(cluster: Cluster): Promise<string> {
  return join(dirname((await cluster.kit(['kubeconfig'])).trim()), 'nodes-before-ambit.json');
}

/** Notes what the nodes are like, for `changesSince` in a later scenario file. */
export async function saveNodes(cluster: Cluster): Promise<void> {
  writeFileSync(await pathOf(cluster), JSON.stringify(await allNodes(cluster)));
}

/** What is there now and was not when the nodes were noted (`+`), and what is gone (`-`), by node. */
export async function changesSinceSaved(cluster: Cluster): Promise<Record<string, string[]>> {
  const text = readFileSync(await pathOf(cluster), 'utf8');
  const before = new Map(JSON.parse(text) as [string, string[]][]); // lint: written above
  const changes = (await allNodes(cluster)).map(([node, now]): [string, string[]] => {
    const then = new Set(before.get(node));
    const present = new Set(now);
    const added = now.filter((line) => !then.has(line)).map((line) => `+ ${line}`);
    const gone = [...then].filter((line) => !present.has(line)).map((line) => `- ${line}`);
    return [node, [...added, ...gone]];
  });
  return Object.fromEntries(changes);
}

async function allNodes(cluster: Cluster): Promise<[string, string[]][]> {
  return Promise.all(
    cluster.nodes.map(async (node): Promise<[string, string[]]> => [node, await nodeState(cluster, node)]),
  );
}
