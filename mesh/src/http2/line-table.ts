import { ENTRY_OVERHEAD_BYTES, STATIC_FIELDS } from '../hbone/hpack-table.ts';
import { fieldKindOf } from './field-kinds.ts';

/** What a line has beside name and value: a colon, a space, CR and LF, so that HTTP/1.1 takes it as it is. */
export const LINE_OVERHEAD_BYTES = 4;
export const COLON_SPACE_BYTES = 2;

const STATIC_COUNT: number = STATIC_FIELDS.length;
const STATIC_LINES: Buffer = Buffer.from(STATIC_FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join(''));
const INITIAL_BYTES = 4096;
const STATIC_SLOTS = staticSlots();
/** Memory beyond it is not kept from one header block to the next. */
const KEPT_MAX_BYTES = 32 * 1024;

/**
 * The memory of one connection's header decoder and HPACK's two tables in it (RFC 7541 2.3). Fields are lines as HTTP/1.1
 * writes them, one behind the other: first those of the static table, then what was received. An entry of the dynamic table
 * is a line that is kept, so a field that a peer says by its index costs neither a copy nor a second look at its octets.
 */
export class LineTable {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  /** Where the next line begins. */
  fill: number = STATIC_LINES.length;
  /** By slot: where an entry's line begins, how long it is, which kind of field it is and what is wrong with it. */
  readonly starts: Int32Array;
  readonly nameBytes: Int32Array;
  readonly valueBytes: Int32Array;
  readonly kinds: Uint8Array;
  readonly flags: Uint8Array;
  private readonly sizeMaxBytes: number;
  private readonly dynamicMax: number;
  private capacityBytes: number;
  private usedBytes = 0;
  /** Entries are numbered as they come. The live ones are from `oldest` to below `next`. */
  private oldest = 0;
  private next = 0;

  /** `sizeMaxBytes`: what we announced as HEADER_TABLE_SIZE. */
  constructor(sizeMaxBytes: number) {
    this.sizeMaxBytes = sizeMaxBytes;
    this.capacityBytes = sizeMaxBytes;
    // No entry is smaller than its overhead, so no more of them fit.
    this.dynamicMax = Math.max(1, Math.floor(sizeMaxBytes / ENTRY_OVERHEAD_BYTES));
    const slots = STATIC_COUNT + this.dynamicMax;
    this.starts = new Int32Array(slots);
    this.nameBytes = new Int32Array(slots);
    this.valueBytes = new Int32Array(slots);
    this.kinds = new Uint8Array(slots);
    this.flags = new Uint8Array(slots);
    STATIC_LINES.copy(this.bytes);
    this.starts.set(STATIC_SLOTS.starts);
    this.nameBytes.set(STATIC_SLOTS.nameBytes);
    this.valueBytes.set(STATIC_SLOTS.valueBytes);
    this.kinds.set(STATIC_SLOTS.kinds);
  }

  get sizeBytes(): number {
    return this.usedBytes;
  }

  /** The slot of an index as the peer counts; -1 when there is no such entry. */
  slotOf(index: number): number {
    if (index <= STATIC_COUNT) return index - 1;
    const number = this.next - (index - STATIC_COUNT);
    return number >= this.oldest ? STATIC_COUNT + (number % this.dynamicMax) : -1;
  }

  /** For whoever encodes: the number that the next entry will have. */
  get nextNumber(): number {
    return this.next;
  }

  /** The slot of the entry with this number; -1 when it is gone. */
  slotOfNumber(number: number): number {
    return number >= this.oldest ? STATIC_COUNT + (number % this.dynamicMax) : -1;
  }

  /** How the peer names the entry with this number. */
  indexOfNumber(number: number): number {
    return STATIC_COUNT + this.next - number;
  }

  /** Keeps the line at `start`. One larger than the table empties it and is not kept (RFC 7541 4.4). */
  add(start: number, nameBytes: number, valueBytes: number, kind: number, flags: number): void {
    const bytes = nameBytes + valueBytes + ENTRY_OVERHEAD_BYTES;
    this.evict(this.capacityBytes - bytes);
    if (bytes > this.capacityBytes) return;
    const slot = STATIC_COUNT + (this.next % this.dynamicMax);
    this.next += 1;
    this.usedBytes += bytes;
    this.starts[slot] = start;
    this.nameBytes[slot] = nameBytes;
    this.valueBytes[slot] = valueBytes;
    this.kinds[slot] = kind;
    this.flags[slot] = flags;
  }

  /** False when the peer asks for more than was announced. */
  resize(capacityBytes: number): boolean {
    if (capacityBytes > this.sizeMaxBytes) return false;
    this.capacityBytes = capacityBytes;
    this.evict(capacityBytes);
    return true;
  }

  hasRoom(bytes: number): boolean {
    return this.fill + bytes <= this.bytes.length;
  }

  /** Makes room for `bytes` at `fill`; positions stay as they are. */
  reserve(bytes: number): void {
    if (!this.hasRoom(bytes)) this.move(Math.max(this.fill + bytes, 2 * this.bytes.length), this.fill);
  }

  /** Before a block: forgets lines that no entry needs any more, when there are many. */
  tidy(): void {
    if (2 * this.fill > this.bytes.length) this.compact();
  }

  /** Forgets all lines but those of entries, at once. Positions change. */
  compact(): void {
    let to = STATIC_LINES.length;
    for (let number = this.oldest; number < this.next; number += 1) {
      const slot = STATIC_COUNT + (number % this.dynamicMax);
      const from = this.starts[slot] ?? 0;
      const bytes = (this.nameBytes[slot] ?? 0) + (this.valueBytes[slot] ?? 0) + LINE_OVERHEAD_BYTES;
      this.bytes.copyWithin(to, from, from + bytes);
      this.starts[slot] = to;
      to += bytes;
    }
    this.fill = to;
    if (this.bytes.length > KEPT_MAX_BYTES && to < KEPT_MAX_BYTES / 2) this.move(KEPT_MAX_BYTES, to);
    else if (2 * to > this.bytes.length) this.move(2 * this.bytes.length, to);
  }

  private move(size: number, fill: number): void {
    const bytes = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(bytes, 0, 0, fill);
    this.bytes = bytes;
  }

  private evict(targetBytes: number): void {
    while (this.usedBytes > targetBytes && this.oldest < this.next) {
      const slot = STATIC_COUNT + (this.oldest % this.dynamicMax);
      this.usedBytes -= (this.nameBytes[slot] ?? 0) + (this.valueBytes[slot] ?? 0) + ENTRY_OVERHEAD_BYTES;
      this.oldest += 1;
    }
  }
}

function staticSlots(): Readonly<Record<'starts' | 'nameBytes' | 'valueBytes' | 'kinds', readonly number[]>> {
  const slots = {
    starts: [] as number[],
    nameBytes: [] as number[],
    valueBytes: [] as number[],
    kinds: [] as number[],
  };
  let at = 0;
  for (const [name, value] of STATIC_FIELDS) {
    slots.starts.push(at);
    slots.nameBytes.push(name.length);
    slots.valueBytes.push(value.length);
    slots.kinds.push(fieldKindOf(STATIC_LINES, at, at + name.length));
    at += name.length + value.length + LINE_OVERHEAD_BYTES;
  }
  return slots;
}
