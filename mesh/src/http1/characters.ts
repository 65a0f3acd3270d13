export const HT = 9;
export const LF = 10;
export const CR = 13;
export const SP = 32;
export const COMMA = 44;
export const SLASH = 47;
export const COLON = 58;

/** 1 for the bytes of `chars` and those from `first` to `last`. */
function classOf(chars: string, first = 1, last = 0): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = first; byte <= last; byte += 1) table[byte] = 1;
  for (let i = 0; i < chars.length; i += 1) table[chars.charCodeAt(i)] = 1;
  return table;
}

const LETTERS_AND_DIGITS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** RFC 9110 5.6.2. */
export const TOKEN: Uint8Array = classOf(`!#$%&'*+-.^_\`|~${LETTERS_AND_DIGITS}`);

/** Field values and reason phrases (RFC 9110 5.5): visible, space, tab, and obs-text, which applications do send. */
export const FIELD_VALUE: Uint8Array = classOf('\t', SP, 255);
FIELD_VALUE[127] = 0;

/** Visible ASCII without `#`: a fragment is never sent, and servers differ in what they make of one. */
export const TARGET: Uint8Array = classOf('', 33, 126);
TARGET[35] = 0;

/**
 * What host names are made of. Narrower than RFC 3986: no percent-encoding, which servers decode or do not, and none of
 * the sub-delimiters, of which the comma joins two hosts.
 */
export const HOST_NAME: Uint8Array = classOf(`-._~${LETTERS_AND_DIGITS}`);

/** Within the brackets of an IPv6 address. */
export const IPV6_LITERAL: Uint8Array = classOf('0123456789abcdefABCDEF:.');

export const DIGIT: Uint8Array = classOf('0123456789');

/** The value of a hexadecimal digit; 255 for other bytes. */
export const HEX_VALUE: Uint8Array = new Uint8Array(256).fill(255);
for (let value = 0; value < 16; value += 1) {
  HEX_VALUE[value.toString(16).charCodeAt(0)] = value;
  HEX_VALUE[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}

/** Bytes with the capital letters of ASCII made small. */
export const LOWER: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 65 && byte <= 90 ? byte + 32 : byte,
);

/** Whether `[start, end)` is `lower` (lower-case ASCII) in any case. */
export function equalsLower(bytes: Uint8Array, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i += 1) {
    if (LOWER[bytes[start + i] ?? 0] !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/** Whether `[start, end)` is `text`, of which no character is above 255. */
export function equalsText(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i += 1) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** Whether two ranges hold the same text but for the case of ASCII letters. */
export function equalsIgnoringCase(
  bytes: Uint8Array,
  start: number,
  end: number,
  otherStart: number,
  otherEnd: number,
): boolean {
  if (end - start !== otherEnd - otherStart) return false;
  for (let i = 0; i < end - start; i += 1) {
    if (LOWER[bytes[start + i] ?? 0] !== LOWER[bytes[otherStart + i] ?? 0]) return false;
  }
  return true;
}
