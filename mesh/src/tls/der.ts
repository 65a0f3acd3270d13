/**
 * One DER element inside a larger byte array. Offsets are into that array, so nothing is copied while walking.
 * Only what X.509 uses is read: single-byte tags and definite lengths in their shortest form.
 */
export interface DerElement {
  readonly tag: number;
  /** First byte of the element: its tag. */
  readonly offset: number;
  /** First byte of the content. */
  readonly start: number;
  /** One past the last byte of the content, and of the element. */
  readonly end: number;
}

/** Tags of the elements that certificates and certificate requests are made of. */
export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const LENGTH_BYTES_MAX = 3;

/**
 * The answer to every read that fails. It lies beyond any limit, so that reads which start from it, inside it or behind
 * it fail too: a walk checks once, at its end.
 */
export const MALFORMED: DerElement = { tag: -1, offset: Infinity, start: Infinity, end: Infinity };

/** The element that begins at `offset`, or `MALFORMED` when it is not DER or reaches beyond `limit`. Never throws. */
export function readDer(bytes: Uint8Array, offset: number, limit: number): DerElement {
  if (!(offset + 2 <= limit) || limit > bytes.length) return MALFORMED;
  const tag = bytes[offset] ?? 0;
  if ((tag & 0x1f) === 0x1f) return MALFORMED;
  const first = bytes[offset + 1] ?? 0;
  let start = offset + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > LENGTH_BYTES_MAX || start + count > limit) return MALFORMED;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[start + i] ?? 0);
    if (length < 0x80 || (bytes[start] ?? 0) === 0) return MALFORMED;
    start += count;
  }
  const end = start + length;
  return end > limit ? MALFORMED : { tag, offset, start, end };
}

/** As `readDer`, and the element has the expected tag. */
export function expectDer(bytes: Uint8Array, offset: number, limit: number, tag: number): DerElement {
  const element = readDer(bytes, offset, limit);
  return element.tag === tag ? element : MALFORMED;
}

/** True when the content of `element` is exactly `content`. */
export function derContentEquals(bytes: Uint8Array, element: DerElement, content: Uint8Array): boolean {
  if (element.end - element.start !== content.length) return false;
  for (let i = 0; i < content.length; i++) if (bytes[element.start + i] !== content[i]) return false;
  return true;
}
