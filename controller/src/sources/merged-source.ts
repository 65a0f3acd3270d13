import {
  keyOf,
  type MeshObject,
  type ObjectChange,
  type ObjectKey,
  type ObjectObserver,
  type ObjectProblem,
  type ObjectSource,
} from '@ambit/mesh/kinds';

/** Objects of two sources as one. Where both have an object, that of `first` is in force and the other is reported. */
export function createMergedSource(first: ObjectSource, second: ObjectSource): ObjectSource {
  return {
    async watch(observer, signal) {
      const merge = new Merge(observer);
      await Promise.all([first.watch(merge.first, signal), second.watch(merge.second, signal)]);
    },
  };
}

class Merge {
  readonly first: ObjectObserver;
  readonly second: ObjectObserver;
  readonly #observer: ObjectObserver;
  readonly #inFirst = new Set<ObjectKey>();
  readonly #inSecond = new Map<ObjectKey, MeshObject>();
  #problems: { first: readonly ObjectProblem[]; second: readonly ObjectProblem[] } = { first: [], second: [] };
  #shown: readonly ObjectProblem[] = [];

  constructor(observer: ObjectObserver) {
    this.#observer = observer;
    this.first = {
      onChanges: (changes) => this.#take(changes.map((change) => this.#ofFirst(change))),
      onProblems: (problems) => this.#report({ ...this.#problems, first: problems }),
    };
    this.second = {
      onChanges: (changes) => this.#take(changes.flatMap((change) => this.#ofSecond(change))),
      onProblems: (problems) => this.#report({ ...this.#problems, second: problems }),
    };
  }

  #ofFirst(change: ObjectChange): ObjectChange {
    if (change.kind === 'put') {
      this.#inFirst.add(keyOf(change.object));
      return change;
    }
    this.#inFirst.delete(change.key);
    const other = this.#inSecond.get(change.key);
    return other === undefined ? change : { kind: 'put', object: other };
  }

  #ofSecond(change: ObjectChange): readonly ObjectChange[] {
    const key = change.kind === 'put' ? keyOf(change.object) : change.key;
    if (change.kind === 'put') this.#inSecond.set(key, change.object);
    else this.#inSecond.delete(key);
    return this.#inFirst.has(key) ? [] : [change];
  }

  #take(changes: readonly ObjectChange[]): void {
    if (changes.length > 0) this.#observer.onChanges(changes);
    this.#report(this.#problems);
  }

  #report(problems: { readonly first: readonly ObjectProblem[]; readonly second: readonly ObjectProblem[] }): void {
    this.#problems = problems;
    const hidden: ObjectProblem[] = [];
    for (const key of this.#inSecond.keys()) {
      if (!this.#inFirst.has(key)) continue;
      const reason = `${key} is defined in Kubernetes and in a manifest: that of Kubernetes is in force`;
      hidden.push({ where: key, reason, key, severity: 'error' });
    }
    const all = [...problems.first, ...problems.second, ...hidden];
    if (sameProblems(all, this.#shown)) return;
    this.#shown = all;
    this.#observer.onProblems(all);
  }
}

function sameProblems(a: readonly ObjectProblem[], b: readonly ObjectProblem[]): boolean {
  return a.length === b.length && a.every((problem, index) => sameProblem(problem, b[index]));
}

function sameProblem(a: ObjectProblem, b: ObjectProblem | undefined): boolean {
  return a.where === b?.where && a.line === b.line && a.reason === b.reason && a.severity === b.severity;
}
