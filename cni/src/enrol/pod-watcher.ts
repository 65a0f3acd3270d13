import type { Namespace, ObjectChange, ObjectKey, ObjectObserver, ObjectProblem, Pod } from '@ambit/mesh/kinds';
import { keyOf } from '@ambit/mesh/kinds';
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
      if (change.kind === 'delete') this.#delete(change.key);
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

  #delete(key: ObjectKey): void {
    this.#pods.delete(key);
    for (const [name, namespace] of this.#namespaces) if (keyOf(namespace) === key) this.#namespaces.delete(name);
  }
}
