import type { MeshObject, ObjectKey } from './objects.ts';

/** One object added or changed as a whole, or gone; then `last` is what it was. */
export type ObjectChange =
  | { readonly kind: 'put'; readonly object: MeshObject }
  | { readonly kind: 'delete'; readonly key: ObjectKey; readonly last: MeshObject };

/** Something at the source that is not in force, and why. */
export interface ObjectProblem {
  /** Where the author finds it: a file's path, or an object's name in the API server. */
  readonly where: string;
  /** Line in the file, from 1, when known. */
  readonly line?: number;
  /** For people; names field, value and expectation. */
  readonly reason: string;
  /** The object concerned, when it could be told; its last good version, if there was one, stays in force. */
  readonly key?: ObjectKey;
  /** `warning`: in force all the same. */
  readonly severity: 'error' | 'warning';
}

export interface ObjectObserver {
  /** Changes that belong together, in order; at most one per key. Called synchronously, never concurrently. */
  onChanges(changes: readonly ObjectChange[]): void;
  /** All problems that exist now, whenever that list changes. */
  onProblems(problems: readonly ObjectProblem[]): void;
}

/**
 * Where typed objects come from. Implementations parse once: observers get only objects that are right.
 */
export interface ObjectSource {
  /**
   * Delivers the whole present state as puts, then every change until `signal` aborts. Resolves when the first state has been
   * delivered; rejects only when that is impossible. One watch per source.
   */
  watch(observer: ObjectObserver, signal: AbortSignal): Promise<void>;
}
