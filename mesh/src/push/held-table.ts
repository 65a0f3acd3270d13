import { findPlace, HashIndex, allRefs, refAt } from '../view/hash-index.ts';
import { hashKey, KEY } from '../view/key-hash.ts';
import { byteOf, RecordMemory, type RecordRef, wordOf } from '../view/record-memory.ts';
import { ValueReader, ValueWriter } from '../view/value-codec.ts';
import type { HeldResource } from './changes.ts';

/** In front of a record's value: how many bytes that has. */
const HEAD_BYTES = 4;

/** What is held of each resource by its name, as bytes: an object and a text or two for each of 100,000 would be dearer than the mesh view. */
export class HeldTable {
  readonly #memory = new RecordMemory();
  readonly #index = new HashIndex();
  readonly #writer = new ValueWriter();
  readonly #reader = new ValueReader();
  readonly #seed: number;
  #size = 0;
  #standIns = 0;

  /** `seed`: any 32 bits that whoever names resources cannot know. */
  constructor(seed: number) {
    this.#seed = seed;
  }

  get size(): number {
    return this.#size;
  }

  /** How many of them stand in for what cannot be read. */
  get standIns(): number {
    return this.#standIns;
  }

  get(name: string): HeldResource | undefined {
    const ref = this.#find(name);
    return ref === 0 ? undefined : this.#read(ref);
  }

  set(held: HeldResource): void {
    this.delete(held.name);
    const { name, kind, version, standsIn } = held;
    this.#writer.reset();
    this.#writer.write([name, kind, version, standsIn === true]);
    const { length, bytes } = this.#writer;
    const ref = this.#memory.allocate(HEAD_BYTES + length);
    this.#memory.chunks.words(ref)[wordOf(ref)] = length;
    this.#memory.chunks.bytes(ref).set(bytes, byteOf(ref) + HEAD_BYTES);
    this.#index.add(hashKey(this.#seed, KEY.name, name), ref);
    this.#size++;
    if (standsIn === true) this.#standIns++;
  }

  delete(name: string): void {
    const ref = this.#find(name);
    if (ref === 0) return;
    if (this.#read(ref).standsIn === true) this.#standIns--;
    this.#index.remove(hashKey(this.#seed, KEY.name, name), ref);
    this.#memory.free(ref, HEAD_BYTES + (this.#memory.chunks.words(ref)[wordOf(ref)] ?? 0));
    this.#size--;
  }

  /** In no order. */
  *values(): Iterable<HeldResource> {
    for (const ref of allRefs(this.#index.table)) yield this.#read(ref);
  }

  /** 0 when it is not there. */
  #find(name: string): RecordRef {
    const { table } = this.#index;
    const hash = hashKey(this.#seed, KEY.name, name);
    for (let place = findPlace(table, hash, hash); place >= 0; place = findPlace(table, hash, place + 1)) {
      const ref = refAt(table, place);
      if (this.#read(ref).name === name) return ref;
    }
    return 0;
  }

  #read(ref: RecordRef): HeldResource {
    const value = this.#reader.read(this.#memory.chunks.bytes(ref), byteOf(ref) + HEAD_BYTES);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as `set` wrote it
    const [name, kind, version, standsIn] = value as [string, HeldResource['kind'], string, boolean];
    return { name, kind, version, ...(standsIn ? { standsIn } : {}) };
  }
}
