import { type HeaderField, StaticIndex, STATUS_INDEX } from './hpack-table.ts';

/**
 * Minimal HPACK encoder: literals without indexing, no Huffman code. Stateless, so a block may be cached and sent on any
 * connection. What a few saved bytes would gain on a mesh link is lost on the time to find them. Pure.
 */

const LITERAL_NAME_INDEXED = 0x00;
const INTEGER_PREFIX_7 = 0x7f;
const INDEXED = 0x80;
/** Most bytes that `fields` can take as a block beside their octets: two lengths of up to five bytes and the opcode. */
export function encodedBytesMax(fields: readonly HeaderField[]): number {
  let bytes = 0;
  for (const [name, value] of fields) bytes += name.length + value.length + 11;
  return bytes;
}

/** Writes fields (Latin-1 text, lower-case names) at `offset`, returns the offset behind them. The buffer must have room. */
export function encodeFields(target: Buffer, offset: number, fields: readonly HeaderField[]): number {
  let at = offset;
  for (const [name, value] of fields) {
    target[at] = 0;
    at = encodeString(target, at + 1, name);
    at = encodeString(target, at, value);
  }
  return at;
}

/** Room that `encodeConnect` needs beside the authority. */
export const CONNECT_BYTES_MAX = 16;
/** Room that `encodeStatus` needs. */
export const STATUS_BYTES_MAX = 8;

/** `:method: CONNECT` and `:authority`. */
export function encodeConnect(target: Buffer, offset: number, authority: string): number {
  target[offset] = LITERAL_NAME_INDEXED | StaticIndex.methodGet;
  const at = encodeString(target, offset + 1, 'CONNECT');
  target[at] = LITERAL_NAME_INDEXED | StaticIndex.authority;
  return encodeString(target, at + 1, authority);
}

/** `:status`. */
export function encodeStatus(target: Buffer, offset: number, status: number): number {
  const index = STATUS_INDEX[status];
  if (index !== undefined) {
    target[offset] = INDEXED | index;
    return offset + 1;
  }
  target[offset] = LITERAL_NAME_INDEXED | StaticIndex.status;
  return encodeString(target, offset + 1, String(status));
}

function encodeString(target: Buffer, offset: number, text: string): number {
  const at = encodeInteger(target, offset, 0, INTEGER_PREFIX_7, text.length);
  return at + target.write(text, at, 'latin1');
}

/** `bits`: what the octet of the prefix says beside the integer, above `mask`. */
export function encodeInteger(target: Buffer, offset: number, bits: number, mask: number, value: number): number {
  if (value < mask) {
    target[offset] = bits | value;
    return offset + 1;
  }
  target[offset] = bits | mask;
  let rest = value - mask;
  let at = offset + 1;
  for (; rest > 0x7f; rest >>>= 7, at += 1) target[at] = 0x80 | (rest & 0x7f);
  target[at] = rest;
  return at + 1;
}
