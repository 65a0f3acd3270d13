/** Version 4 UUIDs (RFC 9562): 16 random bytes each. */
const ID_RANDOM_BYTES = 16;
const ID_CHARS = 36;
const BATCH_IDS = 256;
const DASH = 45;
const HEX: Uint8Array = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
/** Bytes after which there is a dash. */
const DASHED: ReadonlySet<number> = new Set([3, 5, 7, 9]);
const VERSION_BYTE = 6;
const VARIANT_BYTE = 8;

/**
 * Ids of requests, `fill` of which fills memory with random bytes. Many are written at a time: a text of one piece costs its user, who
 * reads it character by character and writes it to a log, less than one that is put together for each request.
 */
export function createRequestIds(fill: (memory: Buffer) => void): () => string {
  const random = Buffer.alloc(BATCH_IDS * ID_RANDOM_BYTES);
  const text = Buffer.alloc(BATCH_IDS * ID_CHARS);
  let next = text.length;
  return () => {
    if (next === text.length) {
      fill(random);
      writeIds(random, text);
      next = 0;
    }
    const start = next;
    next += ID_CHARS;
    return text.toString('latin1', start, next);
  };
}

function writeIds(random: Buffer, text: Buffer): void {
  let at = 0;
  for (let start = 0; start < random.length; start += ID_RANDOM_BYTES) {
    random[start + VERSION_BYTE] = ((random[start + VERSION_BYTE] ?? 0) & 0x0f) | 0x40;
    random[start + VARIANT_BYTE] = ((random[start + VARIANT_BYTE] ?? 0) & 0x3f) | 0x80;
    for (let index = 0; index < ID_RANDOM_BYTES; index += 1) {
      const byte = random[start + index] ?? 0;
      text[at] = HEX[byte >> 4] ?? 0;
      text[at + 1] = HEX[byte & 15] ?? 0;
      at += 2;
      if (!DASHED.has(index)) continue;
      text[at] = DASH;
      at += 1;
    }
  }
}
