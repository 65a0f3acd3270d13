/** A keyed set of values that changes only inside `CollectionGraph.commit`. */
export interface Collection<V> {
  readonly name: string;
  readonly size: number;
  get(key: string): V | undefined;
  entries(): Iterable<readonly [string, V]>;
  /**
   * The values by the keys that `keysOf` gives each of them, kept up to date. `keysOf` must be pure. Make indexes before
   * the first value arrives.
   */
  index(keysOf: (value: V, key: string) => Iterable<string>): Index<V>;
  /** Called at the end of each commit that changed something here, with the keys added, changed or removed. */
  onChange(listener: (keys: ReadonlySet<string>) => void): void;
}

export interface Index<V> {
  /** Values under that key, in no order that could be relied on. */
  get(key: string): readonly V[];
  /** The groups as a collection of their own: one value per key that has any. */
  readonly groups: Collection<readonly V[]>;
}

/** How a derivation reads other collections: every read is remembered, and a change of what was read recomputes it. */
export interface Reader {
  get<V>(collection: Collection<V>, key: string): V | undefined;
  lookup<V>(index: Index<V>, key: string): readonly V[];
}

/** Reads what is there now; nothing depends on it. */
export const PRESENT: Reader = {
  get: (collection, key) => collection.get(key),
  lookup: (index, key) => index.get(key),
};

/** One derived value's place in a graph: recomputed when something it read changes. */
export interface Dependent {
  markDirty(): void;
  /** Sets of dependents this one is in; emptied before it is computed again. */
  readonly slots: Set<Slot>;
}

export interface Slot {
  readonly dependents: Set<Dependent>;
  readonly discard: () => void;
}

/** Who read which key. */
export class ReadTracker {
  readonly #slots = new Map<string, Slot>();

  track(key: string, dependent: Dependent): void {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = { dependents: new Set(), discard: () => void this.#slots.delete(key) };
      this.#slots.set(key, slot);
    }
    slot.dependents.add(dependent);
    dependent.slots.add(slot);
  }

  touch(key: string): void {
    const slot = this.#slots.get(key);
    if (slot !== undefined) for (const dependent of slot.dependents) dependent.markDirty();
  }
}

export function forgetReads(dependent: Dependent): void {
  for (const slot of dependent.slots) {
    slot.dependents.delete(dependent);
    if (slot.dependents.size === 0) slot.discard();
  }
  dependent.slots.clear();
}

const NOTHING: readonly never[] = [];

/** What a graph must do before its next derivation, and at the end of the commit. */
export interface GraphHooks {
  regroup(index: { flush(): void }): void;
  changed(collection: { announce(): void }): void;
}

/** The one implementation of Collection; only the graph and its derivations write to it. */
export class StoredCollection<V> implements Collection<V> {
  readonly name: string;
  readonly reads: ReadTracker = new ReadTracker();
  readonly #values = new Map<string, V>();
  readonly #indexes: StoredIndex<V>[] = [];
  readonly #inputs: ((key: string) => void)[] = [];
  readonly #listeners: ((keys: ReadonlySet<string>) => void)[] = [];
  readonly #hooks: GraphHooks;
  #changed = new Set<string>();

  constructor(name: string, hooks: GraphHooks) {
    this.name = name;
    this.#hooks = hooks;
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  entries(): Iterable<readonly [string, V]> {
    return this.#values;
  }

  index(keysOf: (value: V, key: string) => Iterable<string>): Index<V> {
    const groups = new StoredCollection<readonly V[]>(`${this.name} groups`, this.#hooks);
    const index = new StoredIndex(keysOf, groups, this.#hooks);
    for (const [key, value] of this.#values) index.replace(key, undefined, value);
    this.#indexes.push(index);
    return index;
  }

  onChange(listener: (keys: ReadonlySet<string>) => void): void {
    this.#listeners.push(listener);
  }

  /** Calls back for each changed key at once: the primary input of a derivation. */
  feed(input: (key: string) => void): void {
    this.#inputs.push(input);
    for (const key of this.#values.keys()) input(key);
  }

  /** Undefined removes. */
  set(key: string, value: V | undefined): void {
    const before = this.#values.get(key);
    if (before === value) return;
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
    for (const index of this.#indexes) index.replace(key, before, value);
    for (const input of this.#inputs) input(key);
    this.reads.touch(key);
    if (this.#changed.size === 0) this.#hooks.changed(this);
    this.#changed.add(key);
  }

  announce(): void {
    const changed = this.#changed;
    this.#changed = new Set();
    for (const listener of this.#listeners) listener(changed);
  }
}

class StoredIndex<V> implements Index<V> {
  readonly groups: StoredCollection<readonly V[]>;
  readonly #keysOf: (value: V, key: string) => Iterable<string>;
  readonly #hooks: GraphHooks;
  readonly #members = new Map<string, Map<string, V>>();
  /** Groups that changed since the last flush: a group is copied once per step, not once per member. */
  readonly #stale = new Set<string>();

  constructor(
    keysOf: (value: V, key: string) => Iterable<string>,
    groups: StoredCollection<readonly V[]>,
    hooks: GraphHooks,
  ) {
    this.#keysOf = keysOf;
    this.groups = groups;
    this.#hooks = hooks;
  }

  get(key: string): readonly V[] {
    return this.groups.get(key) ?? NOTHING;
  }

  replace(key: string, before: V | undefined, after: V | undefined): void {
    if (before !== undefined) {
      for (const group of this.#keysOf(before, key)) {
        this.#members.get(group)?.delete(key);
        this.#stale.add(group);
      }
    }
    if (after !== undefined) {
      for (const group of this.#keysOf(after, key)) {
        const members = this.#members.get(group);
        if (members === undefined) this.#members.set(group, new Map([[key, after]]));
        else members.set(key, after);
        this.#stale.add(group);
      }
    }
    if (this.#stale.size > 0) this.#hooks.regroup(this);
  }

  flush(): void {
    for (const group of this.#stale) {
      const members = this.#members.get(group);
      if (members === undefined || members.size === 0) {
        this.#members.delete(group);
        this.groups.set(group, undefined);
      } else this.groups.set(group, [...members.values()]);
    }
    this.#stale.clear();
  }
}
