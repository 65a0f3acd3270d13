import type { Pod } from '@ambit/mesh/kinds';
import type { Collection } from '../collections/collection.ts';

/** Another replica of the controller. */
export interface Peer {
  /** Of its pod. */
  readonly name: string;
  readonly uid: string;
  readonly host: string;
}

export interface OwnPodsOptions {
  readonly pods: Collection<Pod>;
  /** The namespace and service account of every replica, and the name of the pod that this one is. */
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly self: string;
  /** `namespace/name` of service accounts of node agents. */
  readonly nodeAgentAccounts: readonly string[];
}

/** Which pods are parts of the mesh itself, followed as they change. */
export class OwnPods {
  readonly #options: OwnPodsOptions;
  readonly #peers = new Map<string, Peer>();
  /** Node by the key of the agent's pod. */
  readonly #agents = new Map<string, string>();
  readonly #listeners: (() => void)[] = [];

  constructor(options: OwnPodsOptions) {
    const { pods } = options;
    this.#options = options;
    pods.onChange((keys) => {
      let isChanged = false;
      for (const key of keys) if (this.#take(key, pods.get(key))) isChanged = true;
      if (isChanged) for (const listener of this.#listeners) listener();
    });
    for (const [key, pod] of pods.entries()) this.#take(key, pod);
  }

  /** The other replicas that run, by name. */
  get peers(): readonly Peer[] {
    return [...this.#peers.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Nodes with an agent that is ready. */
  get agentNodes(): Iterable<string> {
    return this.#agents.values();
  }

  /** Hears of every change of `peers`. */
  onPeers(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Whether the peers are others now. */
  #take(key: string, pod: Pod | undefined): boolean {
    const agentNode = pod === undefined ? null : this.#agentNodeOf(pod);
    if (agentNode === null) this.#agents.delete(key);
    else this.#agents.set(key, agentNode);
    const before = this.#peers.get(key);
    const after = pod === undefined ? null : this.#peerOf(pod);
    if (after === null) return this.#peers.delete(key);
    this.#peers.set(key, after);
    return before?.uid !== after.uid || before.host !== after.host;
  }

  /** One that is being deleted serves its agents until it ends. */
  #peerOf({ meta: { namespace, name, uid }, serviceAccountName, phase, podIps }: Pod): Peer | null {
    const { namespace: ours, serviceAccount, self } = this.#options;
    const [host] = podIps;
    if (namespace !== ours || serviceAccountName !== serviceAccount || name === self) return null;
    return phase === 'Running' && host !== undefined ? { name, uid, host } : null;
  }

  #agentNodeOf({ meta, serviceAccountName, nodeName, ready }: Pod): string | null {
    const isAgent = this.#options.nodeAgentAccounts.includes(`${meta.namespace}/${serviceAccountName}`);
    return isAgent && ready && !meta.deleting && nodeName !== '' ? nodeName : null;
  }
}
