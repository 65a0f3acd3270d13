import {
  type Collection,
  type Dependent,
  forgetReads,
  type GraphHooks,
  type Index,
  type Reader,
  type Slot,
  StoredCollection,
} from './collection.ts';

/** A collection filled from outside. Values take effect at the next commit. */
export interface SourceCollection<V> extends Collection<V> {
  /** Undefined removes. */
  set(key: string, value: V | undefined): void;
}

export interface DeriveOptions<O> {
  /** True when the new value means the same: what depends on it is then left alone. Default: identity. */
  readonly equal?: (before: O, after: O) => boolean;
}

/**
 * Sources and what is derived from them. `commit` recomputes exactly the derived values whose input or whose reads changed,
 * in the order in which the derivations were declared (which is an order of dependency, as a derivation can only name what
 * exists), then tells listeners. Derivations are pure functions; a derivation that throws leaves the graph unusable.
 */
export class CollectionGraph {
  readonly #derivations: { recompute(): number }[] = [];
  readonly #changed = new Set<{ announce(): void }>();
  readonly #stale = new Set<{ flush(): void }>();
  readonly #hooks: GraphHooks = {
    regroup: (index) => void this.#stale.add(index),
    changed: (collection) => void this.#changed.add(collection),
  };
  #recomputed = 0;

  /** Derived values computed since the start. */
  get recomputed(): number {
    return this.#recomputed;
  }

  source<V>(name: string): SourceCollection<V> {
    return this.#store<V>(name);
  }

  /** One value per value of `input`, under the same key, or none when `compute` gives null. */
  derive<I, O>(
    name: string,
    input: Collection<I>,
    compute: (value: I, read: Reader, key: string) => O | null,
    options: DeriveOptions<O> = {},
  ): Collection<O> {
    const output = this.#store<O>(name);
    const derivation = new Derivation<I, O>(stored(input), output, compute, options.equal ?? Object.is);
    this.#derivations.push(derivation);
    return output;
  }

  /** The same values under other keys, at once. `toKey` must not map two keys to one. */
  rekey<V>(name: string, input: Collection<V>, toKey: (key: string) => string): Collection<V> {
    const output = this.#store<V>(name);
    const source = stored(input);
    source.feed((key) => output.set(toKey(key), source.get(key)));
    return output;
  }

  /** Everything in all of them, at once; keys must not meet. */
  union<V>(name: string, inputs: readonly Collection<V>[]): Collection<V> {
    const output = this.#store<V>(name);
    for (const input of inputs) {
      const source = stored(input);
      source.feed((key) => output.set(key, source.get(key)));
    }
    return output;
  }

  /** Listeners run after everything is consistent; they must not change sources. */
  commit(): void {
    for (const derivation of this.#derivations) {
      this.#flushIndexes();
      this.#recomputed += derivation.recompute();
    }
    this.#flushIndexes();
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const collection of changed) collection.announce();
  }

  #store<V>(name: string): StoredCollection<V> {
    return new StoredCollection<V>(name, this.#hooks);
  }

  #flushIndexes(): void {
    for (const index of this.#stale) index.flush();
    this.#stale.clear();
  }
}

function stored<V>(collection: Collection<V>): StoredCollection<V> {
  if (!(collection instanceof StoredCollection)) throw new Error('bug: a collection of another graph');
  return collection;
}

class Derivation<I, O> {
  readonly #input: StoredCollection<I>;
  readonly #output: StoredCollection<O>;
  readonly #compute: (value: I, read: Reader, key: string) => O | null;
  readonly #equal: (before: O, after: O) => boolean;
  readonly #dirty = new Set<string>();
  readonly #cells = new Map<string, Cell>();

  constructor(
    input: StoredCollection<I>,
    output: StoredCollection<O>,
    compute: (value: I, read: Reader, key: string) => O | null,
    equal: (before: O, after: O) => boolean,
  ) {
    this.#input = input;
    this.#output = output;
    this.#compute = compute;
    this.#equal = equal;
    input.feed((key) => void this.#dirty.add(key));
  }

  recompute(): number {
    const keys = [...this.#dirty];
    this.#dirty.clear();
    for (const key of keys) this.#recomputeOne(key);
    return keys.length;
  }

  #recomputeOne(key: string): void {
    const value = this.#input.get(key);
    let cell = this.#cells.get(key);
    if (cell !== undefined) forgetReads(cell);
    if (value === undefined) {
      this.#cells.delete(key);
      this.#output.set(key, undefined);
      return;
    }
    if (cell === undefined) {
      cell = new Cell(() => void this.#dirty.add(key));
      this.#cells.set(key, cell);
    }
    const after = this.#compute(value, cell, key) ?? undefined;
    const before = this.#output.get(key);
    if (before !== undefined && after !== undefined && this.#equal(before, after)) return;
    this.#output.set(key, after);
  }
}

/** One derived value: the reader its computation uses and the record of what it read. */
class Cell implements Dependent, Reader {
  readonly slots: Set<Slot> = new Set();
  readonly markDirty: () => void;

  constructor(markDirty: () => void) {
    this.markDirty = markDirty;
  }

  get<V>(collection: Collection<V>, key: string): V | undefined {
    const source = stored(collection);
    source.reads.track(key, this);
    return source.get(key);
  }

  lookup<V>(index: Index<V>, key: string): readonly V[] {
    return this.get(index.groups, key) ?? [];
  }
}
