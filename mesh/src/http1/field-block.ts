import { equalsLower, equalsText } from './characters.ts';
import { FieldId, type FieldIdOf } from './field-names.ts';

/** Numbers per field: where its name and its value begin and end. */
const STRIDE = 4;
/** Most heads have fewer fields; more room is made when a head has more. */
const INITIAL_FIELD_COUNT = 24;
const NO_BYTES: Buffer = Buffer.alloc(0);

/**
 * The fields of one head or one set of trailers as positions in the bytes they were received in: in order, case kept, and
 * without an object for each. Valid until the reader that filled it is given more bytes.
 */
export class FieldBlock {
  /** Holds all fields, and the start line of a head. Belongs to the reader or to whoever called it. */
  bytes: Buffer = NO_BYTES;
  count = 0;
  private offsets: Int32Array = new Int32Array(INITIAL_FIELD_COUNT * STRIDE);
  private ids: Uint8Array = new Uint8Array(INITIAL_FIELD_COUNT);

  nameStart(index: number): number {
    return this.offsets[index * STRIDE] ?? 0;
  }

  nameEnd(index: number): number {
    return this.offsets[index * STRIDE + 1] ?? 0;
  }

  /** Without the white space around the value. */
  valueStart(index: number): number {
    return this.offsets[index * STRIDE + 2] ?? 0;
  }

  valueEnd(index: number): number {
    return this.offsets[index * STRIDE + 3] ?? 0;
  }

  name(index: number): string {
    return this.bytes.toString('latin1', this.nameStart(index), this.nameEnd(index));
  }

  value(index: number): string {
    return this.bytes.toString('latin1', this.valueStart(index), this.valueEnd(index));
  }

  /** Whether the value is this text; cheaper than `value` for one that is most often known. */
  valueIs(index: number, text: string): boolean {
    return equalsText(this.bytes, this.valueStart(index), this.valueEnd(index), text);
  }

  /** Set once the fields have been interpreted; `other` before. */
  id(index: number): number {
    return this.ids[index] ?? FieldId.other;
  }

  setId(index: number, id: FieldIdOf): void {
    this.ids[index] = id;
  }

  /** The first field of that name (lower case) from `from` on; -1 when there is none. */
  find(lowerName: string, from = 0): number {
    for (let index = from; index < this.count; index += 1) {
      if (equalsLower(this.bytes, this.nameStart(index), this.nameEnd(index), lowerName)) return index;
    }
    return -1;
  }

  /** For readers. */
  clear(): void {
    this.count = 0;
    this.bytes = NO_BYTES;
  }

  /** For readers. */
  add(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const at = this.count * STRIDE;
    if (at === this.offsets.length) this.grow();
    const { offsets } = this;
    offsets[at] = nameStart;
    offsets[at + 1] = nameEnd;
    offsets[at + 2] = valueStart;
    offsets[at + 3] = valueEnd;
    this.ids[this.count] = FieldId.other;
    this.count += 1;
  }

  /** For readers: the bytes were copied to where every position is `by` less. */
  moveBack(by: number): void {
    const { offsets } = this;
    for (let i = this.count * STRIDE - 1; i >= 0; i -= 1) offsets[i] = (offsets[i] ?? 0) - by;
  }

  private grow(): void {
    const offsets = new Int32Array(this.offsets.length * 2);
    offsets.set(this.offsets);
    this.offsets = offsets;
    const ids = new Uint8Array(this.ids.length * 2);
    ids.set(this.ids);
    this.ids = ids;
  }
}
