import type { RecordRef } from './record-memory.ts';

interface Entry<T> {
  readonly born: number;
  readonly value: T;
}

/**
 * What was made of records, as long as it is asked for: at most twice as many as `max`. When there are `max` of them, those that were not
 * asked for since it was last so are forgotten.
 */
export class RecordCache<T> {
  readonly #max: number;
  #recent = new Map<RecordRef, Entry<T>>();
  #before = new Map<RecordRef, Entry<T>>();

  constructor(max: number) {
    this.#max = max;
  }

  /** `born` tells a record from another one that was there before. */
  get(ref: RecordRef, born: number): T | undefined {
    const recent = this.#recent.get(ref);
    if (recent !== undefined) return recent.born === born ? recent.value : undefined;
    const before = this.#before.get(ref);
    if (before === undefined || before.born !== born) return undefined;
    this.#keep(ref, before);
    return before.value;
  }

  set(ref: RecordRef, born: number, value: T): void {
    this.#keep(ref, { born, value });
  }

  get size(): number {
    return this.#recent.size + this.#before.size;
  }

  #keep(ref: RecordRef, entry: Entry<T>): void {
    if (this.#recent.size >= this.#max) {
      this.#before = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(ref, entry);
  }
}
