/** What a character asks for: nothing, quotes around the text, or more than that. */
const PLAIN = 0;
const QUOTED = 1;
const ESCAPED = 2;
const ASKS: Uint8Array = new Uint8Array(256).fill(ESCAPED);
ASKS.fill(PLAIN, 0x21, 0x7f);
ASKS[0x20] = QUOTED;
ASKS['='.charCodeAt(0)] = QUOTED;
ASKS['"'.charCodeAt(0)] = ESCAPED;
ASKS['\\'.charCodeAt(0)] = ESCAPED;

const QUOTE = 0x22;
const POINT = 0x2e;
const ZERO = 0x30;
/** Of a text that is escaped: `\u0000` for one unit. */
const BYTES_PER_UNIT_MAX = 6;
const QUOTES_BYTES = 2;
/** Up to here a loop is faster than a call. */
const SHORT_BYTES = 8;

/** A field takes no more bytes than this beside its name. */
export function fieldBytesMax(text: string): number {
  return text.length * BYTES_PER_UNIT_MAX + QUOTES_BYTES;
}

/** Writes the parts of lines into memory that has room for them. */
export class LineWriter {
  #memory: Buffer = Buffer.alloc(0);
  #at = 0;

  begin(memory: Buffer, at: number): void {
    this.#memory = memory;
    this.#at = at;
  }

  /** Where what has been written ends. */
  get end(): number {
    return this.#at;
  }

  bytes(bytes: Uint8Array): void {
    const memory = this.#memory;
    const at = this.#at;
    const { length } = bytes;
    if (length > SHORT_BYTES) memory.set(bytes, at);
    else for (let i = 0; i < length; i += 1) memory[at + i] = bytes[i] ?? 0;
    this.#at = at + length;
  }

  /** A name with its `=`, and a text of somebody else's, quoted where it could be taken for anything else. */
  field(name: Uint8Array, text: string): void {
    this.bytes(name);
    let asks = PLAIN;
    for (let i = 0; i < text.length && asks !== ESCAPED; i += 1) {
      const one = ASKS[text.charCodeAt(i)] ?? ESCAPED;
      if (one > asks) asks = one;
    }
    if (asks === ESCAPED) {
      this.#at += this.#memory.write(JSON.stringify(text), this.#at);
      return;
    }
    if (asks === QUOTED) this.#byte(QUOTE);
    this.#ascii(text);
    if (asks === QUOTED) this.#byte(QUOTE);
  }

  /** A whole number, not negative. */
  whole(value: number): void {
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits += 1;
    let rest = value;
    for (let at = this.#at + digits - 1; at >= this.#at; at -= 1) {
      const tenth = Math.floor(rest / 10);
      this.#memory[at] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
    this.#at += digits;
  }

  /** To the microsecond, without zeros at the end. */
  milliseconds(durationMs: number): void {
    const us = Math.round(durationMs * 1000);
    const whole = Math.floor(us / 1000);
    this.whole(whole);
    let rest = us - whole * 1000;
    if (rest === 0) return;
    this.#byte(POINT);
    for (let unit = 100; rest > 0; unit /= 10) {
      const digit = Math.floor(rest / unit);
      this.#byte(ZERO + digit);
      rest -= digit * unit;
    }
  }

  #ascii(text: string): void {
    const memory = this.#memory;
    const at = this.#at;
    for (let i = 0; i < text.length; i += 1) memory[at + i] = text.charCodeAt(i);
    this.#at = at + text.length;
  }

  #byte(byte: number): void {
    this.#memory[this.#at] = byte;
    this.#at += 1;
  }
}

/** What a field of a text reads, with the space before it; nothing for an empty text. */
export function textField(name: string, text: string): string {
  if (text === '') return '';
  const memory = Buffer.alloc(name.length + 2 + fieldBytesMax(text));
  const writer = new LineWriter();
  writer.begin(memory, 0);
  writer.field(Buffer.from(` ${name}=`), text);
  return memory.toString('utf8', 0, writer.end);
}
