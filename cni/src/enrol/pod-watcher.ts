import {
  keyOf,
  type MeshObject,
  type Namespace,
  type ObjectChange,
  type ObjectKey,
  type ObjectObserver,
  type ObjectProblem,
  objectKey,
  type Pod,
} from '@ambit/mesh/kinds';
import type { EgressLocks } from './egress-locks.ts';
import { type DesiredPod, selectDesiredPods } from './desired-pods.ts';

export interface PodWatcherOptions {
  readonly nodeName: string;
  readonly excludedNamespaces: readonly string[];
  /** Is told of EgressPolicies before `onDesired`. */
  readonly egress: Pick<EgressLocks, 'onChanges' | 'onProblems'>;
  /** All pods that are to be captured now; called after each batch of changes. */
  readonly onDesired: (desired: ReadonlyMap<string, DesiredPod>) => void;
  /** The same moment, before that: all pods of this node, and all namespaces by name. */
  readonly onPods?: (pods: Iterable<Pod>, namespaces: ReadonlyMap<string, Namespace>) => void;
  readonly onProblems: (problems: readonly ObjectProblem[]) => void;
}

/** Keeps the Namespaces, and the Pods of one node, out of everything a source delivers. */
export class PodWatcher implements ObjectObserver {
  readonly #options: PodWatcherOptions;
  readonly #namespaces = new Map<string, Namespace>();
  readonly #pods = new Map<ObjectKey, Pod>();
  readonly #uids = new Map<string, ObjectKey>();
  #namespacesVersion = 0;

  constructor(options: PodWatcherOptions) {
    this.#options = options;
  }

  /** Pods of this node. */
  pods(): Iterable<Pod> {
    return this.#pods.values();
  }

  namespaces(): Iterable<Namespace> {
    return this.#namespaces.values();
  }

  /** Another number after each change of a Namespace. */
  get namespacesVersion(): number {
    return this.#namespacesVersion;
  }

  pod(namespace: string, name: string): Pod | null {
    return this.#pods.get(objectKey('Pod', namespace, name)) ?? null;
  }

  namespace(name: string): Namespace | null {
    return this.#namespaces.get(name) ?? null;
  }

  /** Whether a pod of this node has this UID. */
  hasUid(uid: string): boolean {
    return this.#uids.has(uid);
  }

  onChanges(changes: readonly ObjectChange[]): void {
    for (const change of changes) {
      if (change.kind === 'delete') this.#delete(change.last);
      else if (change.object.kind === 'Namespace') this.#putNamespace(change.object);
      else if (change.object.kind === 'Pod') this.#putPod(change.object);
    }
    this.#options.egress.onChanges(changes);
    this.#tell();
  }

  /** Also when the pods are the same: what is around them may not be. */
  #tell(): void {
    const { nodeName, excludedNamespaces, onDesired, onPods } = this.#options;
    onPods?.(this.#pods.values(), this.#namespaces);
    onDesired(
      selectDesiredPods({ pods: this.#pods.values(), namespaces: this.#namespaces, nodeName, excludedNamespaces }),
    );
  }

  onProblems(problems: readonly ObjectProblem[]): void {
    this.#options.onProblems(problems);
    if (this.#options.egress.onProblems(problems)) this.#tell();
  }

  #putNamespace(namespace: Namespace): void {
    this.#namespaces.set(namespace.meta.name, namespace);
    this.#namespacesVersion++;
  }

  #putPod(pod: Pod): void {
    this.#deletePod(keyOf(pod));
    if (pod.nodeName !== this.#options.nodeName) return;
    this.#pods.set(keyOf(pod), pod);
    this.#uids.set(pod.meta.uid, keyOf(pod));
  }

  /** A pod that was made anew under the name of another has another UID. */
  #deletePod(key: ObjectKey): void {
    const uid = this.#pods.get(key)?.meta.uid;
    this.#pods.delete(key);
    if (uid !== undefined && this.#uids.get(uid) === key) this.#uids.delete(uid);
  }

  #delete(object: MeshObject): void {
    if (object.kind === 'Pod') this.#deletePod(keyOf(object));
    if (object.kind !== 'Namespace') return;
    this.#namespaces.delete(object.meta.name);
    this.#namespacesVersion++;
  }
}
