import type { EncodedFields } from '@ambit/mesh/http1';

/** Version 4 UUIDs (RFC 9562): 16 random bytes each. */
const ID_RANDOM_BYTES = 16;
const BATCH_IDS = 256;
const DASH = 45;
const HEX: Uint8Array = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
/** Of each byte, whether a dash is behind it. */
const DASHED: Uint8Array = Uint8Array.from({ length: ID_RANDOM_BYTES }, (_, index) =>
  Number([3, 5, 7, 9].includes(index)),
);
const VERSION_BYTE = 6;
const VARIANT_BYTE = 8;

/** Writes a new id from `at` on, in at most `REQUEST_ID_BYTES_MAX`; says where it ends. */
export type WriteRequestId = (memory: Buffer, at: number) => number;

export const REQUEST_ID_BYTES_MAX = 64;

/** Ids of requests; `fill` fills memory with random bytes, those of many ids at a time. */
export function createRequestIds(fill: (memory: Buffer) => void): WriteRequestId {
  const random = Buffer.alloc(BATCH_IDS * ID_RANDOM_BYTES);
  let next = random.length;
  return (memory, at) => {
    if (next === random.length) {
      fill(random);
      next = 0;
    }
    const start = next;
    next += ID_RANDOM_BYTES;
    random[start + VERSION_BYTE] = ((random[start + VERSION_BYTE] ?? 0) & 0x0f) | 0x40;
    random[start + VARIANT_BYTE] = ((random[start + VARIANT_BYTE] ?? 0) & 0x3f) | 0x80;
    return writeId(random, start, memory, at);
  };
}

function writeId(random: Buffer, start: number, memory: Buffer, at: number): number {
  let to = at;
  for (let index = 0; index < ID_RANDOM_BYTES; index += 1) {
    const byte = random[start + index] ?? 0;
    memory[to] = HEX[byte >> 4] ?? 0;
    memory[to + 1] = HEX[byte & 15] ?? 0;
    to += 2;
    if (DASHED[index] === 0) continue;
    memory[to] = DASH;
    to += 1;
  }
  return to;
}

const NAME = 'x-request-id: ';
const LINE_END = '\r\n';

/** The ids that we give to requests of one connection, one after the other, as bytes: hardly anybody needs a text of them. */
export class OwnRequestId {
  readonly #write: WriteRequestId;
  readonly #memory: Buffer = Buffer.alloc(NAME.length + REQUEST_ID_BYTES_MAX + LINE_END.length);
  #end = 0;
  /** What is there now. */
  bytes: Uint8Array = this.#memory.subarray(0, 0);
  /** The field that says so. */
  field: EncodedFields = { bytes: this.#memory.subarray(0, 0) };

  constructor(write: WriteRequestId) {
    this.#write = write;
    this.#memory.write(NAME, 0, 'latin1');
  }

  /** A new one. */
  renew(): void {
    const end = this.#write(this.#memory, NAME.length);
    if (end === this.#end) return;
    // Ids are of one length, so that this is so once.
    this.#end = end;
    const fieldEnd = end + this.#memory.write(LINE_END, end, 'latin1');
    this.bytes = this.#memory.subarray(NAME.length, end);
    this.field = { bytes: this.#memory.subarray(0, fieldEnd) };
  }

  toString(): string {
    return this.#memory.toString('latin1', NAME.length, this.#end);
  }
}
