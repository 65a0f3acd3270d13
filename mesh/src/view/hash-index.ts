import type { RecordRef } from './record-memory.ts';

// Records by the hash of what they are looked up by, in one table that threads share: pairs of a hash and a record, each in the first
// place that was free from where its hash belongs. The records tell whether they are what was looked for.

const EMPTY = 0;
/** Something was here: who looks goes on. */
const REMOVED = -1;
const WORDS_PER_ENTRY = 2;
const INITIAL_CAPACITY = 1024;
/** Above this share of places that are not empty there is a new table. */
const LOAD_MAX = 0.7;
/** A new table is this much larger than what it begins with, or more. */
const ROOM = 1.6;

export type Table = Int32Array<SharedArrayBuffer>;

/**
 * The first place at or after `from` that holds a record of this hash; -1 when there is none. `from` is `hash` itself at first, then one after
 * the place that was found.
 */
export function findPlace(table: Table, hash: number, from: number): number {
  const mask = table.length / WORDS_PER_ENTRY - 1;
  for (let place = from & mask; ; place = (place + 1) & mask) {
    // Whoever writes puts the hash there first: it is that of this record, or the record is one that this thread does not see yet.
    const ref = Atomics.load(table, place * WORDS_PER_ENTRY + 1);
    if (ref === EMPTY) return -1;
    if (ref !== REMOVED && table[place * WORDS_PER_ENTRY] === hash) return place;
  }
}

/** REMOVED when it was taken away since it was found. */
export function refAt(table: Table, place: number): RecordRef {
  return Atomics.load(table, place * WORDS_PER_ENTRY + 1);
}

/** Every record of the table, as often as it is in it. */
export function* allRefs(table: Table): Iterable<RecordRef> {
  for (let at = 1; at < table.length; at += WORDS_PER_ENTRY) {
    const ref = Atomics.load(table, at);
    if (ref > EMPTY) yield ref;
  }
}

/** The one hand that changes a table. Others may look into it meanwhile, and go on with one that was replaced. */
export class HashIndex {
  #table: Table = newTable(INITIAL_CAPACITY);
  /** Places that are not empty, and those of them that are removed. */
  #used = 0;
  #removed = 0;
  #isNew = true;

  get table(): Table {
    return this.#table;
  }

  /** The table if it is another than at the last call. */
  takeNew(): Table | undefined {
    const table = this.#isNew ? this.#table : undefined;
    this.#isNew = false;
    return table;
  }

  /** `ref` must be whole before: it can be found from now on. */
  add(hash: number, ref: RecordRef): void {
    if (this.#used >= (this.#table.length / WORDS_PER_ENTRY) * LOAD_MAX) this.#replace();
    this.#put(this.#table, hash, ref);
  }

  remove(hash: number, ref: RecordRef): void {
    for (let place = findPlace(this.#table, hash, hash); place >= 0; place = findPlace(this.#table, hash, place + 1)) {
      if (refAt(this.#table, place) !== ref) continue;
      Atomics.store(this.#table, place * WORDS_PER_ENTRY + 1, REMOVED);
      this.#removed++;
      return;
    }
  }

  #put(table: Table, hash: number, ref: RecordRef): void {
    const mask = table.length / WORDS_PER_ENTRY - 1;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const before = table[place * WORDS_PER_ENTRY + 1];
      if (before !== EMPTY && before !== REMOVED) continue;
      if (before === EMPTY) this.#used++;
      else this.#removed--;
      table[place * WORDS_PER_ENTRY] = hash;
      Atomics.store(table, place * WORDS_PER_ENTRY + 1, ref);
      return;
    }
  }

  #replace(): void {
    const before = this.#table;
    const live = this.#used - this.#removed;
    let capacity = INITIAL_CAPACITY;
    while (capacity * LOAD_MAX < live * ROOM) capacity *= 2;
    this.#table = newTable(capacity);
    this.#used = 0;
    this.#removed = 0;
    this.#isNew = true;
    for (let at = 0; at < before.length; at += WORDS_PER_ENTRY) {
      const ref = before[at + 1] ?? EMPTY;
      if (ref > EMPTY) this.#put(this.#table, before[at] ?? 0, ref);
    }
  }
}

function newTable(capacity: number): Table {
  return new Int32Array(new SharedArrayBuffer(capacity * WORDS_PER_ENTRY * Int32Array.BYTES_PER_ELEMENT));
}
