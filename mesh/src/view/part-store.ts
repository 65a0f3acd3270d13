import { findPlace, type HashIndex, refAt } from './hash-index.ts';
import { hashBytes, KEY } from './key-hash.ts';
import { byteOf, type RecordMemory, type RecordRef, wordOf } from './record-memory.ts';
import { HEAD_BYTES, RECORD, WORD } from './records.ts';
import { ValueWriter } from './value-codec.ts';

export interface PartStoreOptions {
  readonly seed: number;
  readonly memory: RecordMemory;
  readonly index: HashIndex;
}

/** Parts that many workloads have in common, each once, for as long as one holds it. */
export class PartStore {
  readonly #options: PartStoreOptions;
  readonly #values = new ValueWriter();

  constructor(options: PartStoreOptions) {
    this.#options = options;
  }

  /** The part of this value without some of its fields, held once more. */
  hold(value: object, epoch: number, leftOut?: ReadonlySet<string>): RecordRef {
    const { seed, memory, index } = this.#options;
    this.#values.reset();
    this.#values.writeObject(value, leftOut);
    const { bytes } = this.#values;
    const hash = hashBytes(seed, KEY.part, bytes);
    let ref = this.#find(hash, bytes);
    if (ref === 0) {
      ref = memory.allocate(HEAD_BYTES + bytes.length);
      const words = memory.chunks.words(ref);
      words.set([RECORD.part, epoch, 0, bytes.length, 0], wordOf(ref));
      memory.chunks.bytes(ref).set(bytes, byteOf(ref) + HEAD_BYTES);
      index.add(hash, ref);
    }
    this.#addHolders(ref, 1);
    return ref;
  }

  /** To be called when no thread can see the holder any more. */
  release(ref: RecordRef): void {
    if (this.#addHolders(ref, -1) > 0) return;
    const { seed, memory, index } = this.#options;
    const valueBytes = memory.chunks.words(ref)[wordOf(ref) + WORD.valueBytes] ?? 0;
    index.remove(hashBytes(seed, KEY.part, this.#bytesOf(ref, valueBytes)), ref);
    memory.free(ref, HEAD_BYTES + valueBytes);
  }

  #find(hash: number, bytes: Uint8Array): RecordRef {
    const { index, memory } = this.#options;
    const { table } = index;
    for (let place = findPlace(table, hash, hash); place >= 0; place = findPlace(table, hash, place + 1)) {
      const ref = refAt(table, place);
      const words = memory.chunks.words(ref);
      const isPart = words[wordOf(ref) + WORD.kind] === RECORD.part;
      if (isPart && words[wordOf(ref) + WORD.valueBytes] === bytes.length && this.#isSame(ref, bytes)) return ref;
    }
    return 0;
  }

  #isSame(ref: RecordRef, bytes: Uint8Array): boolean {
    const ofRecord = this.#options.memory.chunks.bytes(ref);
    const start = byteOf(ref) + HEAD_BYTES;
    for (let i = 0; i < bytes.length; i++) if (ofRecord[start + i] !== bytes[i]) return false;
    return true;
  }

  #bytesOf(ref: RecordRef, length: number): Uint8Array {
    const start = byteOf(ref) + HEAD_BYTES;
    return this.#options.memory.chunks.bytes(ref).subarray(start, start + length);
  }

  #addHolders(ref: RecordRef, change: number): number {
    const words = this.#options.memory.chunks.words(ref);
    const at = wordOf(ref) + WORD.holders;
    const holders = (words[at] ?? 0) + change;
    words[at] = holders;
    return holders;
  }
}
