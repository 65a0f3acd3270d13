import { KubeApiError, type KubeClient, type KubeResource, listAll } from '@ambit/mesh/kube';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { ObjectCollections } from '../collections/object-collections.ts';
import { jsonItems, jsonText } from '../json.ts';
import type { LeaderWork } from '../leader/index.ts';
import { Bell, type RoundTiming } from './bell.ts';
import { decideStartupTaints, type Taint } from './decide-startup-taints.ts';

/** Nodes may come with this taint, so that no pod runs on them before their parts of the mesh do. */
export const STARTUP_TAINT = 'ambit.dev/not-ready';

const NODES: KubeResource = { group: '', version: 'v1', plural: 'nodes', kind: 'Node', scope: 'cluster' };
/** A node that got the taint while its agents were ready waits until the next round. */
const TIMING: RoundTiming = { pauseMs: 1000, resyncMs: 15_000 };

export interface StartupTaintOptions {
  readonly client: KubeClient;
  readonly objects: ObjectCollections;
  /** Where the agents' DaemonSets are. */
  readonly ownNamespace: string;
  /** Names of the DaemonSets without whose pods no other pod may run on a node. */
  readonly required: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Lifts the startup taint from nodes whose agents are ready. It never sets one: who adds nodes decides that. */
export class StartupTaints {
  readonly #options: StartupTaintOptions;
  readonly #bell: Bell;

  constructor(options: StartupTaintOptions) {
    this.#options = options;
    this.#bell = new Bell(options.clock);
    const own = `${options.ownNamespace}/`;
    options.objects.pods.onChange((keys) => {
      for (const key of keys) if (key.startsWith(own)) return this.#bell.ring();
    });
    options.objects.nodes.onChange(() => this.#bell.ring());
  }

  /** Work of the leader. */
  readonly work: LeaderWork = async (signal) => {
    await this.#bell.repeat(() => this.#round(signal), TIMING, signal);
  };

  async #round(signal: AbortSignal): Promise<void> {
    const { client, required, logger } = this.#options;
    const versions = new Map<string, string>();
    const nodes: { name: string; taints: readonly Taint[] }[] = [];
    for await (const node of listAll(client, NODES, {}, signal)) {
      const taints = jsonItems(node, 'spec', 'taints').filter(isTaint);
      const name = jsonText(node, 'metadata', 'name');
      if (taints.every(({ key }) => key !== STARTUP_TAINT)) continue;
      nodes.push({ name, taints });
      versions.set(name, jsonText(node, 'metadata', 'resourceVersion'));
    }
    if (nodes.length === 0) return;
    const freed = decideStartupTaints({ key: STARTUP_TAINT, nodes, required, ready: this.#ready() });
    for (const { name, taints } of freed) {
      // A list of taints can only be written whole: the version makes sure that nobody's taint is lost.
      const patch = { metadata: { resourceVersion: versions.get(name) }, spec: { taints } };
      try {
        await client.mergePatch(NODES, { namespace: '', name }, patch, signal);
        logger.info('node may take pods: its agents are ready', { node: name });
      } catch (error) {
        const isRace = error instanceof KubeApiError && (error.code === 'conflict' || error.code === 'not-found');
        if (!isRace) throw error;
        this.#bell.ring();
      }
    }
  }

  #ready(): ReadonlyMap<string, ReadonlySet<string>> {
    const { objects, ownNamespace } = this.#options;
    const ready = new Map<string, Set<string>>();
    for (const [, pod] of objects.pods.entries()) {
      if (pod.meta.namespace !== ownNamespace || !pod.ready || pod.meta.deleting) continue;
      const owner = pod.meta.ownerReferences.find(({ kind, controller }) => controller && kind === 'DaemonSet');
      if (owner === undefined) continue;
      const on = ready.get(pod.nodeName) ?? new Set<string>();
      ready.set(pod.nodeName, on.add(owner.name));
    }
    return ready;
  }
}

function isTaint(value: unknown): value is Taint {
  return typeof value === 'object' && value !== null && 'key' in value && typeof value.key === 'string';
}
