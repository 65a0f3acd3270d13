import { COLON, equalsLower, FIELD_VALUE, HT, SP, TOKEN } from '../http1/characters.ts';
import { FieldId, fieldIdOf } from '../http1/field-names.ts';

/** Beyond the numbers of `FieldId`. */
const MORE_KINDS = {
  cookie: 11,
  /** From here on pseudo-headers. */
  authority: 16,
  method: 17,
  path: 18,
  scheme: 19,
  status: 20,
  protocol: 21,
  unknownPseudo: 22,
} as const;

/** What HTTP/2 has to know of a field. */
export const FieldKind: typeof FieldId & typeof MORE_KINDS = { ...FieldId, ...MORE_KINDS };

export const PSEUDO_FIRST: number = FieldKind.authority;

/** What is wrong with the octets of a field, as bits. */
export const BAD_NAME = 1;
export const BAD_VALUE = 2;

/** RFC 9113 8.2.1: no capital letters. */
const LOWER_TOKEN: Uint8Array = TOKEN.map((allowed, byte) => (byte >= 65 && byte <= 90 ? 0 : allowed));

/** Which kind a name is. Of one that is illegal it does not matter. */
export function fieldKindOf(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] === COLON && end > start) return pseudoKindOf(bytes, start, end);
  const id = fieldIdOf(bytes, start, end);
  if (id !== FieldId.other || end - start !== 6) return id;
  return equalsLower(bytes, start, end, 'cookie') ? FieldKind.cookie : FieldKind.other;
}

function pseudoKindOf(bytes: Uint8Array, start: number, end: number): number {
  switch (end - start) {
    case 5:
      return equalsLower(bytes, start, end, ':path') ? FieldKind.path : FieldKind.unknownPseudo;
    case 7:
      if (equalsLower(bytes, start, end, ':method')) return FieldKind.method;
      if (equalsLower(bytes, start, end, ':scheme')) return FieldKind.scheme;
      return equalsLower(bytes, start, end, ':status') ? FieldKind.status : FieldKind.unknownPseudo;
    case 9:
      return equalsLower(bytes, start, end, ':protocol') ? FieldKind.protocol : FieldKind.unknownPseudo;
    case 10:
      return equalsLower(bytes, start, end, ':authority') ? FieldKind.authority : FieldKind.unknownPseudo;
    default:
      return FieldKind.unknownPseudo;
  }
}

/** `BAD_NAME` or 0. Pseudo-headers are names with a colon before. */
export function judgeName(bytes: Uint8Array, start: number, end: number): number {
  let at = bytes[start] === COLON ? start + 1 : start;
  if (at >= end) return BAD_NAME;
  while (at < end) {
    if (LOWER_TOKEN[bytes[at] ?? 0] !== 1) return BAD_NAME;
    at += 1;
  }
  return 0;
}

/** `BAD_VALUE` or 0. */
export function judgeValue(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return 0;
  if (isSpace(bytes[start]) || isSpace(bytes[end - 1])) return BAD_VALUE;
  for (let at = start; at < end; at += 1) {
    if (FIELD_VALUE[bytes[at] ?? 0] !== 1) return BAD_VALUE;
  }
  return 0;
}

/** RFC 9113 8.2.2. */
export function isConnectionField(kind: number): boolean {
  switch (kind) {
    case FieldKind.connection:
    case FieldKind.keepAlive:
    case FieldKind.proxyConnection:
    case FieldKind.transferEncoding:
    case FieldKind.upgrade:
      return true;
    default:
      return false;
  }
}

/** Whether all octets of `[start, end)` are of a class. */
export function isAllOf(allowed: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    if (allowed[bytes[at] ?? 0] !== 1) return false;
  }
  return true;
}

function isSpace(byte: number | undefined): boolean {
  return byte === SP || byte === HT;
}
