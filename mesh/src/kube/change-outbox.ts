import type { ObjectChange, ObjectObserver, ObjectProblem } from '../kinds/object-source.ts';
import type { MeshObject, ObjectKey } from '../kinds/objects.ts';
import type { Clock } from '../runtime/clock.ts';

/** Changes gather this long: a rollout touches pods and slices at the same time. */
const GATHER_MS = 10;
/** So many at most gather. */
const CHANGES_MAX = 2000;

interface Pending {
  readonly before: MeshObject | null;
  readonly after: MeshObject | null;
}

/**
 * Gathers changes of objects and hands them on together, at most one per object: its last state, compared with what the
 * observer has seen. Nothing leaves before `open`.
 */
export class ChangeOutbox implements Disposable {
  readonly #observer: ObjectObserver;
  readonly #clock: Clock;
  readonly #problems: () => readonly ObjectProblem[];
  readonly #pending = new Map<ObjectKey, Pending>();
  #reported = '[]';
  #timer: Disposable | null = null;
  #opened = false;

  constructor(options: {
    readonly observer: ObjectObserver;
    readonly clock: Clock;
    /** All problems that exist now. */
    readonly problems: () => readonly ObjectProblem[];
  }) {
    this.#observer = options.observer;
    this.#clock = options.clock;
    this.#problems = options.problems;
  }

  /** Hands on what there is, in one piece, and from now on whatever comes. */
  open(): void {
    this.#opened = true;
    this.#flush();
  }

  readonly changed = (key: ObjectKey, before: MeshObject | null, after: MeshObject | null): void => {
    const first = this.#pending.get(key);
    this.#pending.set(key, { before: first === undefined ? before : first.before, after });
    if (this.#opened && this.#pending.size >= CHANGES_MAX) this.#flush();
    else this.#schedule();
  };

  /** The list of problems may be another one. Problems are told before `open` too: they may be why nothing comes. */
  problemsChanged(): void {
    this.#schedule();
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#pending.clear();
  }

  #schedule(): void {
    this.#timer ??= this.#clock.setTimer(GATHER_MS, () => this.#flush());
  }

  #flush(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    if (this.#opened && this.#pending.size > 0) {
      const changes = [...this.#pending].flatMap(([key, pending]) => changeOf(key, pending));
      this.#pending.clear();
      if (changes.length > 0) this.#observer.onChanges(changes);
    }
    const problems = this.#problems();
    const reported = JSON.stringify(problems);
    if (reported === this.#reported) return;
    this.#reported = reported;
    this.#observer.onProblems(problems);
  }
}

function changeOf(key: ObjectKey, { before, after }: Pending): readonly ObjectChange[] {
  if (after !== null) return after === before ? [] : [{ kind: 'put', object: after }];
  return before === null ? [] : [{ kind: 'delete', key, last: before }];
}
