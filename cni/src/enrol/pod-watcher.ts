import {
  keyOf,
  type MeshObject,
  type Namespace,
  type ObjectChange,
  type ObjectKey,
  type ObjectObserver,
  type ObjectProblem,
  type Pod,
} from '@ambit/mesh/kinds';
import { type DesiredPod, selectDesiredPods } from './desired-pods.ts';

export interface PodWatcherOptions {
  readonly nodeName: string;
  readonly excludedNamespaces: readonly string[];
  /** All pods that are to be captured now; called after each batch of changes. */
  readonly onDesired: (desired: ReadonlyMap<string, DesiredPod>) => void;
  readonly onProblems: (problems: readonly ObjectProblem[]) => void;
}

/** Keeps the Namespaces, and the Pods of one node, out of everything a source delivers. */
export class PodWatcher implements ObjectObserver {
  readonly #options: PodWatcherOptions;
  readonly #namespaces = new Map<string, Namespace>();
  readonly #pods = new Map<ObjectKey, Pod>();

  constructor(options: PodWatcherOptions) {
    this.#options = options;
  }

  onChanges(changes: readonly ObjectChange[]): void {
    for (const change of changes) {
      if (change.kind === 'delete') this.#delete(change.last);
      else if (change.object.kind === 'Namespace') this.#namespaces.set(change.object.meta.name, change.object);
      else if (change.object.kind === 'Pod') this.#putPod(change.object);
    }
    const { nodeName, excludedNamespaces, onDesired } = this.#options;
    onDesired(
      selectDesiredPods({ pods: this.#pods.values(), namespaces: this.#namespaces, nodeName, excludedNamespaces }),
    );
  }

  onProblems(problems: readonly ObjectProblem[]): void {
    this.#options.onProblems(problems);
  }

  #putPod(pod: Pod): void {
    if (pod.nodeName === this.#options.nodeName) this.#pods.set(keyOf(pod), pod);
    else this.#pods.delete(keyOf(pod));
  }

  #delete(object: MeshObject): void {
    if (object.kind === 'Namespace') this.#namespaces.delete(object.meta.name);
    else if (object.kind === 'Pod') this.#pods.delete(keyOf(object));
  }
}
