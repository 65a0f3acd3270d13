import { LOWER } from '../http1/characters.ts';
import { FRAME_HEADER_BYTES } from '../hbone/frame-codec.ts';
import { encodeInteger } from '../hbone/hpack-encoder.ts';
import { TABLE_MAX_BYTES } from '../hbone/hpack-reader.ts';
import { ENTRY_OVERHEAD_BYTES, STATIC_FIELDS } from '../hbone/hpack-table.ts';
import { copyRange } from './field-copy.ts';
import { COLON_SPACE_BYTES, LINE_OVERHEAD_BYTES, LineTable } from './line-table.ts';

/** Larger entries would throw out too much. */
const ENTRY_MAX_SHARE = 4;
const INITIAL_BYTES = 1024;
/** Memory beyond it is not kept from one block to the next. */
const KEPT_MAX_BYTES = 16 * 1024;
/** Opcode, index and two lengths. */
const FIELD_OVERHEAD_MAX_BYTES = 16;
const SLOTS = 512;
/** Octets of a value that its hash is made of, beside those at its end. */
const SAMPLES = 32;
const SAMPLES_AT_END = 8;

const INDEXED = 0x80;
const KEPT = 0x40;
const PLAIN = 0x00;
const NEVER_KEPT = 0x10;
const SIZE_UPDATE = 0x20;

/**
 * Encodes fields one by one (RFC 7541), with a table. A field is put there when it comes the second time: what never comes
 * again, like the number of a request, would only throw out what does. Which fields came before is remembered by a hash of
 * some of their octets; a field is only ever said by its index when all of it is equal. Fields that must not be kept are said
 * so. No Huffman code: what it saves on a mesh link costs more in time.
 */
export class FieldEncoder {
  /** The block is at `[FRAME_HEADER_BYTES, at)`: before it is room for its frame's header. */
  out: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  at: number = FRAME_HEADER_BYTES;
  /** Of the block, as RFC 9113 6.5.2 counts. */
  listBytes = 0;
  readonly table: LineTable = new LineTable(TABLE_MAX_BYTES);
  private capacityBytes = TABLE_MAX_BYTES;
  /** The smallest capacity that the peer has not been told of; -1: it knows. */
  private untoldBytes = -1;
  /** The block has changed the table, or what the peer knows of it. */
  private binding = false;
  /** By hash: numbers of entries plus one. An entry whose place another has taken is not found any more. */
  private readonly entries = new Float64Array(SLOTS);
  /** By hash: the field that came last. */
  private readonly seen = new Int32Array(SLOTS);

  get tableBytes(): number {
    return this.table.sizeBytes;
  }

  /** The peer's HEADER_TABLE_SIZE. */
  limitTable(bytes: number): void {
    const capacity = Math.min(bytes, TABLE_MAX_BYTES);
    if (capacity === this.capacityBytes) return;
    this.capacityBytes = capacity;
    this.untoldBytes = this.untoldBytes < 0 ? capacity : Math.min(this.untoldBytes, capacity);
    this.table.resize(capacity);
  }

  /** A new block. One that was begun and not sent is as if it had never been. */
  begin(): void {
    if (this.binding) {
      // The peer does not know what that block has put into the table.
      this.table.resize(0);
      this.untoldBytes = 0;
    }
    this.binding = false;
    this.at = FRAME_HEADER_BYTES;
    this.listBytes = 0;
    if (this.out.length > KEPT_MAX_BYTES) this.out = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    if (this.untoldBytes >= 0) this.tellSize();
  }

  /** The block is on its way: from now on the peer's table is as ours. */
  sent(): void {
    this.binding = false;
  }

  /** The entry of the static table with this index, by its index alone. */
  addStatic(index: number): void {
    this.reserve(1);
    const [name, value] = STATIC_FIELDS[index - 1] ?? ['', ''];
    this.listBytes += name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.out[this.at] = INDEXED | index;
    this.at += 1;
  }

  /** A field whose name is that of the static entry `nameIndex` and whose value is at `[start, end)` of `bytes`. */
  addNamed(nameIndex: number, bytes: Buffer, start: number, end: number, keep: boolean): void {
    const nameStart = this.table.starts[nameIndex - 1] ?? 0;
    const nameEnd = nameStart + (this.table.nameBytes[nameIndex - 1] ?? 0);
    this.put(nameIndex, this.table.bytes, nameStart, nameEnd, bytes, start, end, keep);
  }

  /** A field with its name, in any case, and value at these positions. */
  add(bytes: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, keep: boolean): void {
    this.put(-1, bytes, nameStart, nameEnd, bytes, valueStart, valueEnd, keep);
  }

  private put(
    nameIndex: number,
    names: Buffer,
    nameStart: number,
    nameEnd: number,
    values: Buffer,
    valueStart: number,
    valueEnd: number,
    keep: boolean,
  ): void {
    const bytes = nameEnd - nameStart + valueEnd - valueStart;
    this.listBytes += bytes + ENTRY_OVERHEAD_BYTES;
    this.reserve(bytes + FIELD_OVERHEAD_MAX_BYTES);
    let kept = false;
    if (keep) {
      const hash = hashOf(names, nameStart, nameEnd, values, valueStart, valueEnd);
      const place = hash & (SLOTS - 1);
      const { table } = this;
      const number = (this.entries[place] ?? 0) - 1;
      const slot = number < 0 ? -1 : table.slotOfNumber(number);
      if (slot >= 0 && isEntry(table, slot, names, nameStart, nameEnd, values, valueStart, valueEnd)) {
        this.putInteger(INDEXED, 0x7f, table.indexOfNumber(number));
        return;
      }
      kept = this.seen[place] === hash && bytes + ENTRY_OVERHEAD_BYTES <= this.capacityBytes / ENTRY_MAX_SHARE;
      if (kept) this.entries[place] = table.nextNumber + 1;
      else this.seen[place] = hash;
    }
    const named = nameIndex > 0 ? nameIndex : staticNameOf(names, nameStart, nameEnd);
    if (kept) this.putInteger(KEPT, 0x3f, named);
    else this.putInteger(keep ? PLAIN : NEVER_KEPT, 0x0f, named);
    if (named === 0) this.putLower(names, nameStart, nameEnd);
    this.putInteger(0, 0x7f, valueEnd - valueStart);
    this.at = copyRange(this.out, this.at, values, valueStart, valueEnd);
    if (kept) this.keep(names, nameStart, nameEnd, values, valueStart, valueEnd);
  }

  private keep(
    names: Buffer,
    nameStart: number,
    nameEnd: number,
    values: Buffer,
    valueStart: number,
    valueEnd: number,
  ): void {
    const { table } = this;
    const bytes = nameEnd - nameStart + valueEnd - valueStart + LINE_OVERHEAD_BYTES;
    // A name that is passed in may lie in this memory, but in the static part, which never moves.
    if (!table.hasRoom(bytes)) table.compact();
    table.reserve(bytes);
    const start = table.fill;
    const target = table.bytes;
    let at = start;
    for (let i = nameStart; i < nameEnd; i += 1, at += 1) target[at] = LOWER[names[i] ?? 0] ?? 0;
    at = copyRange(target, at + COLON_SPACE_BYTES, values, valueStart, valueEnd);
    table.fill = start + bytes;
    table.add(start, nameEnd - nameStart, valueEnd - valueStart, 0, 0);
    this.binding = true;
  }

  private tellSize(): void {
    this.reserve(2 * FIELD_OVERHEAD_MAX_BYTES);
    if (this.untoldBytes < this.capacityBytes) this.putInteger(SIZE_UPDATE, 0x1f, this.untoldBytes);
    this.putInteger(SIZE_UPDATE, 0x1f, this.capacityBytes);
    this.table.resize(this.capacityBytes);
    this.untoldBytes = -1;
    this.binding = true;
  }

  private putLower(names: Buffer, start: number, end: number): void {
    this.putInteger(0, 0x7f, end - start);
    const { out } = this;
    let { at } = this;
    for (let i = start; i < end; i += 1, at += 1) out[at] = LOWER[names[i] ?? 0] ?? 0;
    this.at = at;
  }

  private putInteger(bits: number, mask: number, value: number): void {
    this.at = encodeInteger(this.out, this.at, bits, mask, value);
  }

  private reserve(bytes: number): void {
    if (this.at + bytes <= this.out.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.out.length, this.at + bytes));
    this.out.copy(larger, 0, 0, this.at);
    this.out = larger;
  }
}

/**
 * Of the lengths and of some octets. Not of all: it only has to tell apart what differs by chance. Whoever makes fields collide on
 * purpose makes us compress less.
 */
function hashOf(
  names: Buffer,
  nameStart: number,
  nameEnd: number,
  values: Buffer,
  valueStart: number,
  valueEnd: number,
): number {
  const length = valueEnd - valueStart;
  let hash = Math.imul((nameEnd - nameStart) * 8191 + length, 0x9e3779b1);
  hash = mix(hash, LOWER[names[nameStart] ?? 0] ?? 0);
  hash = mix(hash, LOWER[names[(nameStart + nameEnd) >>> 1] ?? 0] ?? 0);
  hash = mix(hash, LOWER[names[nameEnd - 1] ?? 0] ?? 0);
  const tail = Math.max(valueStart, valueEnd - SAMPLES_AT_END);
  const step = Math.max(1, Math.floor((tail - valueStart) / SAMPLES));
  for (let at = valueStart; at < tail; at += step) hash = mix(hash, values[at] ?? 0);
  for (let at = tail; at < valueEnd; at += 1) hash = mix(hash, values[at] ?? 0);
  return hash ^ (hash >>> 15);
}

function mix(hash: number, octet: number): number {
  return Math.imul(hash ^ octet, 0x01000193);
}

function isEntry(
  table: LineTable,
  slot: number,
  names: Buffer,
  nameStart: number,
  nameEnd: number,
  values: Buffer,
  valueStart: number,
  valueEnd: number,
): boolean {
  const nameBytes = table.nameBytes[slot] ?? 0;
  const valueBytes = table.valueBytes[slot] ?? 0;
  if (nameBytes !== nameEnd - nameStart || valueBytes !== valueEnd - valueStart) return false;
  const { bytes } = table;
  const entryName = table.starts[slot] ?? 0;
  for (let i = 0; i < nameBytes; i += 1) {
    if (bytes[entryName + i] !== LOWER[names[nameStart + i] ?? 0]) return false;
  }
  const entryValue = entryName + nameBytes + COLON_SPACE_BYTES;
  for (let i = 0; i < valueBytes; i += 1) {
    if (bytes[entryValue + i] !== values[valueStart + i]) return false;
  }
  return true;
}

const NAME_SLOTS = 256;
const NAME_TABLE: Uint8Array = staticNames();

/** The index of the first static entry of this name, which may be in any case; 0 when there is none. */
export function staticNameOf(bytes: Uint8Array, start: number, end: number): number {
  for (let place = nameHash(bytes, start, end); ; place = (place + 1) & (NAME_SLOTS - 1)) {
    const index = NAME_TABLE[place] ?? 0;
    if (index === 0) return 0;
    const [name] = STATIC_FIELDS[index - 1] ?? ['', ''];
    if (name.length === end - start && isName(name, bytes, start)) return index;
  }
}

function isName(name: string, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < name.length; i += 1) {
    if (name.charCodeAt(i) !== LOWER[bytes[start + i] ?? 0]) return false;
  }
  return true;
}

function nameHash(bytes: Uint8Array, start: number, end: number): number {
  const first = LOWER[bytes[start] ?? 0] ?? 0;
  const last = LOWER[bytes[end - 1] ?? 0] ?? 0;
  const middle = LOWER[bytes[(start + end) >>> 1] ?? 0] ?? 0;
  return ((end - start) * 37 + first * 11 + middle * 5 + last) & (NAME_SLOTS - 1);
}

function staticNames(): Uint8Array {
  const places = new Uint8Array(NAME_SLOTS);
  for (const [at, [name]] of STATIC_FIELDS.entries()) {
    if (at > 0 && STATIC_FIELDS[at - 1]?.[0] === name) continue;
    const bytes = Buffer.from(name);
    let place = nameHash(bytes, 0, bytes.length);
    while (places[place] !== 0) place = (place + 1) & (NAME_SLOTS - 1);
    places[place] = at + 1;
  }
  return places;
}
