import { COMMON_TEXTS, FIELD_NAMES } from './words.ts';

// A value of the model as bytes: null, booleans, numbers, texts, lists, plain objects, Maps and byte arrays, nested. A field that the model
// gets later needs nothing here. Written and read by the same process, so there is neither a version nor anything to distrust.

const NULL = 0;
const FALSE = 1;
const TRUE = 2;
/** A whole number from 0 to 2^53 - 1. */
const UINT = 3;
const FLOAT = 4;
const ASCII = 5;
const TEXT = 6;
const COMMON = 7;
const LIST = 8;
const OBJECT = 9;
const MAP = 10;
const BYTES = 11;

/** In place of the number of a name that has none. */
const SPELT_OUT = 255;
const INITIAL_BYTES = 1024;

const fieldNumbers = new Map(FIELD_NAMES.map((name, number) => [name, number]));
const commonNumbers = new Map(COMMON_TEXTS.map((text, number) => [text, number]));
const NO_NAMES: ReadonlySet<string> = new Set();
const COMMON_LENGTH_MAX = Math.max(...COMMON_TEXTS.map(({ length }) => length));
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes values one after the other into memory that is used again after `reset`. */
export class ValueWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  reset(): void {
    this.#length = 0;
  }

  get length(): number {
    return this.#length;
  }

  /** What was written since `reset`, valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Fields that are undefined are as absent. @throws TypeError for what is no value of the model, such as a function. */
  write(value: unknown): void {
    if (typeof value === 'string') this.#writeText(value);
    else if (typeof value === 'number') this.#writeNumber(value);
    else if (typeof value === 'boolean') this.#put(value ? TRUE : FALSE);
    else if (value === null) this.#put(NULL);
    else if (Array.isArray(value)) this.#writeList(value);
    else if (value instanceof Map) this.#writeMap(value);
    else if (value instanceof Uint8Array) this.#writeBytes(value);
    else if (typeof value === 'object') this.writeObject(value);
    else throw new TypeError(`a ${typeof value} is no value of the model`);
  }

  #writeText(text: string): void {
    const common = text.length > COMMON_LENGTH_MAX ? undefined : commonNumbers.get(text);
    if (common !== undefined) {
      this.#put(COMMON);
      this.#put(common);
      return;
    }
    const start = this.#length;
    this.#put(ASCII);
    this.#writeLength(text.length);
    this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) {
        this.#length = start;
        this.#put(TEXT);
        this.#writeRaw(encoder.encode(text));
        return;
      }
      this.#bytes[this.#length + i] = code;
    }
    this.#length += text.length;
  }

  #writeNumber(value: number): void {
    if (Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) {
      this.#put(UINT);
      this.#writeLength(value);
      return;
    }
    this.#put(FLOAT);
    this.#reserve(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value);
    this.#length += 8;
  }

  #writeList(values: readonly unknown[]): void {
    this.#put(LIST);
    this.#writeLength(values.length);
    for (const value of values) this.write(value);
  }

  #writeMap(values: ReadonlyMap<unknown, unknown>): void {
    this.#put(MAP);
    this.#writeLength(values.size);
    for (const [key, value] of values) {
      this.write(key);
      this.write(value);
    }
  }

  /** An object as `write` does, but for some of its fields: that spares a copy of it. */
  writeObject(value: object, leftOut: ReadonlySet<string> = NO_NAMES): void {
    const names = Object.keys(value);
    let count = 0;
    // Each field is read by its name, without a list of pairs: a mesh has millions of them.
    for (const name of names) if (!leftOut.has(name) && Reflect.get(value, name) !== undefined) count++;
    this.#put(OBJECT);
    this.#writeLength(count);
    for (const name of names) {
      const field: unknown = leftOut.has(name) ? undefined : Reflect.get(value, name);
      if (field === undefined) continue;
      const number = fieldNumbers.get(name);
      this.#put(number ?? SPELT_OUT);
      if (number === undefined) this.#writeText(name);
      this.write(field);
    }
  }

  #writeBytes(bytes: Uint8Array): void {
    this.#put(BYTES);
    this.#writeRaw(bytes);
  }

  #writeRaw(bytes: Uint8Array): void {
    this.#writeLength(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Seven bits a byte, the low ones first. */
  #writeLength(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#put((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.#put(rest);
  }

  #put(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** Reads what a ValueWriter wrote; what it makes shares nothing with the memory it reads. */
export class ValueReader {
  #bytes = new Uint8Array(0) as Uint8Array;
  #at = 0;
  readonly #codes: number[] = [];

  /** The value that begins at `at`. */
  read(bytes: Uint8Array, at: number): unknown {
    this.#bytes = bytes;
    this.#at = at;
    return this.#read();
  }

  #read(): unknown {
    switch (this.#take()) {
      case NULL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      case UINT:
        return this.#readLength();
      case FLOAT:
        return this.#readFloat();
      case ASCII:
        return this.#readAscii(this.#readLength());
      case TEXT:
        // Decoders refuse memory that is shared.
        return decoder.decode(this.#readRaw());
      case COMMON:
        return COMMON_TEXTS[this.#take()];
      case LIST:
        return this.#readList();
      case OBJECT:
        return this.#readObject();
      case MAP:
        return this.#readMap();
      case BYTES:
        return this.#readRaw();
      default:
        throw new RangeError('not what a ValueWriter wrote');
    }
  }

  #readList(): unknown[] {
    const length = this.#readLength();
    const values: unknown[] = [];
    for (let i = 0; i < length; i++) values.push(this.#read());
    return values;
  }

  #readObject(): Record<string, unknown> {
    const length = this.#readLength();
    const value: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) {
      const number = this.#take();
      const name = number === SPELT_OUT ? String(this.#read()) : (FIELD_NAMES[number] ?? '');
      value[name] = this.#read();
    }
    return value;
  }

  #readMap(): Map<unknown, unknown> {
    const length = this.#readLength();
    const values = new Map<unknown, unknown>();
    for (let i = 0; i < length; i++) {
      const key = this.#read();
      values.set(key, this.#read());
    }
    return values;
  }

  #readAscii(length: number): string {
    const start = this.#at;
    this.#at += length;
    if (length > ASCII_AT_ONCE) return decoder.decode(this.#bytes.slice(start, this.#at));
    const codes = this.#codes;
    codes.length = length;
    for (let i = 0; i < length; i++) codes[i] = this.#bytes[start + i] ?? 0;
    return String.fromCharCode.apply(null, codes);
  }

  #readFloat(): number {
    const value = new DataView(this.#bytes.buffer, this.#bytes.byteOffset).getFloat64(this.#at);
    this.#at += 8;
    return value;
  }

  #readRaw(): Uint8Array<ArrayBuffer> {
    const length = this.#readLength();
    const copy = new Uint8Array(length);
    copy.set(this.#bytes.subarray(this.#at, this.#at + length));
    this.#at += length;
    return copy;
  }

  #readLength(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.#take();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
  }

  #take(): number {
    return this.#bytes[this.#at++] ?? NULL;
  }
}

/** Longer ones are left to a decoder: the stack bounds how many arguments a call may have. */
const ASCII_AT_ONCE = 512;
