// Memory in chunks that threads share, cut into records of whole units of eight bytes. A record is named by where it begins: the number of
// its chunk and its first unit in that, in one number.

/** Bytes of a unit: what records are sized in and aligned to. */
const UNIT_BYTES = 8;
const CHUNK_UNIT_BITS = 17;
/** Bytes of a chunk; one that holds a single larger record is as large as that. */
export const CHUNK_BYTES: number = UNIT_BYTES << CHUNK_UNIT_BITS;
/** Records of more units than this are of some sizes only. */
const EXACT_UNITS_MAX = 64;
const UNIT_MASK = (1 << CHUNK_UNIT_BITS) - 1;
/** So that the name of a record is a positive number of 31 bits. */
const CHUNKS_MAX = 1 << (31 - CHUNK_UNIT_BITS);

/** Where a record begins. 0 is none. */
export type RecordRef = number;

/** A chunk that came to be, or took the place of one of that number which is not in use any more. */
export interface NewChunk {
  readonly index: number;
  readonly memory: SharedArrayBuffer;
}

/** The chunks as one thread sees them. */
export class Chunks {
  readonly #words: (Int32Array<SharedArrayBuffer> | undefined)[] = [];
  readonly #bytes: (Uint8Array<SharedArrayBuffer> | undefined)[] = [];

  add({ index, memory }: NewChunk): void {
    this.#words[index] = new Int32Array(memory);
    this.#bytes[index] = new Uint8Array(memory);
  }

  /** False of a record that was written after the last one that this thread has heard of, where it needed more memory. */
  knows(ref: RecordRef): boolean {
    return this.#words[ref >>> CHUNK_UNIT_BITS] !== undefined;
  }

  /** The chunk of a record as numbers. @throws RangeError for one that this thread has not heard of. */
  words(ref: RecordRef): Int32Array<SharedArrayBuffer> {
    return this.#words[ref >>> CHUNK_UNIT_BITS] ?? unknownChunk();
  }

  bytes(ref: RecordRef): Uint8Array<SharedArrayBuffer> {
    return this.#bytes[ref >>> CHUNK_UNIT_BITS] ?? unknownChunk();
  }
}

/** First number of a record in the words of its chunk. */
export function wordOf(ref: RecordRef): number {
  return (ref & UNIT_MASK) << 1;
}

/** First byte of a record in the bytes of its chunk. */
export function byteOf(ref: RecordRef): number {
  return (ref & UNIT_MASK) << 3;
}

function unknownChunk(): never {
  throw new RangeError('a record of memory that this thread does not know');
}

/** The one hand that cuts records out of chunks and takes them back. A record keeps the size it was cut with until it is cut no more. */
export class RecordMemory {
  readonly chunks: Chunks = new Chunks();
  /** By size in units: records that are free. */
  readonly #free = new Map<number, RecordRef[]>();
  /** Numbers of chunks that held one large record. */
  readonly #freeChunks: number[] = [];
  #chunkCount = 0;
  #next = 0;
  #end = 0;
  #added: NewChunk[] = [];
  #usedBytes = 0;

  /** Of records that are not free. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Room for `byteCount` bytes, whatever they held before. @throws RangeError when there are more than 16 GiB. */
  allocate(byteCount: number): RecordRef {
    const units = unitsOf(byteCount);
    this.#usedBytes += units * UNIT_BYTES;
    const free = this.#free.get(units)?.pop();
    if (free !== undefined) return free;
    if (units > UNIT_MASK) return this.#addLargeChunk(units * UNIT_BYTES) << CHUNK_UNIT_BITS;
    if (this.#next + units > this.#end) {
      const start = this.#addChunk(this.#chunkCount++, CHUNK_BYTES) << CHUNK_UNIT_BITS;
      // No record begins at 0.
      this.#next = start === 0 ? 1 : start;
      this.#end = start + UNIT_MASK + 1;
    }
    const ref = this.#next;
    this.#next += units;
    return ref;
  }

  /** Takes back what was allocated for `byteCount` bytes. */
  free(ref: RecordRef, byteCount: number): void {
    const units = unitsOf(byteCount);
    this.#usedBytes -= units * UNIT_BYTES;
    if (units > UNIT_MASK) {
      this.#freeChunks.push(ref >>> CHUNK_UNIT_BITS);
      return;
    }
    const free = this.#free.get(units);
    if (free === undefined) this.#free.set(units, [ref]);
    else free.push(ref);
  }

  /** Chunks that came since the last call: other threads must hear of them before they hear of a record in them. */
  takeAdded(): readonly NewChunk[] {
    const added = this.#added;
    this.#added = [];
    return added;
  }

  /**
   * A number is used again for another single record alone: a reader that has not heard of the new chunk yet finds the dead record there, where
   * the middle of that could look like anything.
   */
  #addLargeChunk(byteCount: number): number {
    // The first chunk never is one of a single record: no record begins at 0.
    if (this.#chunkCount === 0) this.#chunkCount = 1;
    return this.#addChunk(this.#freeChunks.pop() ?? this.#chunkCount++, byteCount);
  }

  #addChunk(index: number, byteCount: number): number {
    if (index >= CHUNKS_MAX) throw new RangeError('no memory is left for records');
    const chunk: NewChunk = { index, memory: new SharedArrayBuffer(byteCount) };
    this.chunks.add(chunk);
    this.#added.push(chunk);
    return index;
  }
}

/** Of large records only some sizes exist, eight from one power of two to the next: a list that grows by one again and again uses what it left. */
function unitsOf(byteCount: number): number {
  const units = (byteCount + UNIT_BYTES - 1) >>> 3;
  if (units <= EXACT_UNITS_MAX) return units;
  const step = 1 << (28 - Math.clz32(units));
  return Math.ceil(units / step) * step;
}
