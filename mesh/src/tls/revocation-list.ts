import { readTime } from './certificate-fields.ts';
import { DER_TAG, derContentEquals, type DerElement, expectDer, MALFORMED, readDer } from './der.ts';
import { issuerText, packSerials, type RevokedSerials } from './revocation.ts';

/** A longer serial number is none of a certificate (RFC 5280 4.1.2.2 allows 20 bytes, some have a zero in front). */
const SERIAL_BYTES_MAX = 32;
/** Of one list. A list of 16 MiB, the longest that is read, holds about as many. */
export const REVOKED_ENTRIES_MAX = 500_000;
const EXTENSIONS_MAX = 64;

const OID_DELTA_INDICATOR = Uint8Array.of(0x55, 0x1d, 0x1b);
const OID_DISTRIBUTION_POINT = Uint8Array.of(0x55, 0x1d, 0x1c);
const TAG_EXTENSIONS = 0xa0;
const TAG_INDIRECT = 0x84;

/** Why a revocation list cannot be used. Stable words, for logs. */
export type RevocationListRefusal =
  | 'malformed'
  | 'too-many-entries'
  | 'serial-too-long'
  | 'delta-list'
  | 'indirect-list'
  | 'unknown-critical-extension';

/** One certificate revocation list (RFC 5280 5) as far as Ambit reads it. */
export interface RevocationList {
  readonly serials: RevokedSerials;
  readonly entryCount: number;
  readonly thisUpdateMs: number;
  /** When the issuer promised the next; absent when it promised none. */
  readonly nextUpdateMs?: number;
}

export type RevocationListReading = RevocationList | RevocationListRefusal;

/**
 * Reads one list (DER). Its signature is not looked at: who may write the file is trusted, as with the roots beside it. What would
 * change the meaning of its entries (a delta, an indirect list, an unknown critical extension) is refused whole.
 * Bounded; never throws, whatever the bytes.
 */
export function readRevocationList(der: Uint8Array): RevocationListReading {
  const list = expectDer(der, 0, der.length, DER_TAG.sequence);
  if (list.end !== der.length) return 'malformed';
  const tbs = expectDer(der, list.start, list.end, DER_TAG.sequence);
  const algorithm = expectDer(der, tbs.end, list.end, DER_TAG.sequence);
  if (expectDer(der, algorithm.end, list.end, DER_TAG.bitString).end !== list.end) return 'malformed';

  const version = readDer(der, tbs.start, tbs.end);
  const inner = expectDer(der, version.tag === DER_TAG.integer ? version.end : tbs.start, tbs.end, DER_TAG.sequence);
  const issuer = expectDer(der, inner.end, tbs.end, DER_TAG.sequence);
  const thisUpdate = readDer(der, issuer.end, tbs.end);
  const thisUpdateMs = readTime(der, thisUpdate);
  if (thisUpdateMs === undefined) return 'malformed';

  let at = thisUpdate.end;
  let next = at < tbs.end ? readDer(der, at, tbs.end) : null;
  let nextUpdateMs: number | undefined;
  if (next !== null && (next.tag === DER_TAG.utcTime || next.tag === DER_TAG.generalizedTime)) {
    nextUpdateMs = readTime(der, next);
    if (nextUpdateMs === undefined) return 'malformed';
    at = next.end;
    next = at < tbs.end ? readDer(der, at, tbs.end) : null;
  }
  let serials: readonly string[] = [];
  if (next !== null && next.tag === DER_TAG.sequence) {
    const read = readEntries(der, next);
    if (typeof read === 'string') return read;
    serials = read;
    at = next.end;
    next = at < tbs.end ? readDer(der, at, tbs.end) : null;
  }
  if (next !== null) {
    if (next.tag !== TAG_EXTENSIONS || next.end !== tbs.end) return 'malformed';
    const extensions = expectDer(der, next.start, next.end, DER_TAG.sequence);
    if (extensions.end !== next.end) return 'malformed';
    const refusal = refuseExtensions(der, extensions, isKnownOfList);
    if (refusal !== null) return refusal;
  }
  return {
    serials: packSerials(issuerText(der.subarray(issuer.offset, issuer.end)), serials),
    entryCount: serials.length,
    thisUpdateMs,
    ...(nextUpdateMs === undefined ? {} : { nextUpdateMs }),
  };
}

/** Serial numbers as `packSerials` takes them. */
function readEntries(der: Uint8Array, entries: DerElement): readonly string[] | RevocationListRefusal {
  const bytes = Buffer.from(der.buffer, der.byteOffset, der.byteLength);
  const serials: string[] = [];
  let at = entries.start;
  while (at < entries.end) {
    if (serials.length === REVOKED_ENTRIES_MAX) return 'too-many-entries';
    const entry = expectDer(der, at, entries.end, DER_TAG.sequence);
    const serial = expectDer(der, entry.start, entry.end, DER_TAG.integer);
    const date = readDer(der, serial.end, entry.end);
    if (date === MALFORMED || serial.start === serial.end) return 'malformed';
    if (date.tag !== DER_TAG.utcTime && date.tag !== DER_TAG.generalizedTime) return 'malformed';
    if (date.end < entry.end) {
      const extensions = expectDer(der, date.end, entry.end, DER_TAG.sequence);
      if (extensions.end !== entry.end) return 'malformed';
      const refusal = refuseExtensions(der, extensions, isKnownOfEntry);
      if (refusal !== null) return refusal;
    }
    let start = serial.start;
    while (start + 1 < serial.end && der[start] === 0) start++;
    if (serial.end - start > SERIAL_BYTES_MAX) return 'serial-too-long';
    serials.push(bytes.toString('latin1', start, serial.end));
    at = entry.end;
  }
  return serials;
}

type KnowsExtension = (der: Uint8Array, id: DerElement, value: DerElement) => boolean | RevocationListRefusal;

/** Null when every critical extension is one that `knows`. */
function refuseExtensions(
  der: Uint8Array,
  extensions: DerElement,
  knows: KnowsExtension,
): RevocationListRefusal | null {
  let at = extensions.start;
  for (let count = 0; at < extensions.end; count++) {
    const extension = expectDer(der, at, extensions.end, DER_TAG.sequence);
    const id = expectDer(der, extension.start, extension.end, DER_TAG.oid);
    let value = readDer(der, id.end, extension.end);
    const isCritical = value.tag === DER_TAG.boolean && der[value.start] !== 0;
    if (value.tag === DER_TAG.boolean) value = readDer(der, value.end, extension.end);
    if (value.tag !== DER_TAG.octetString || value.end !== extension.end || count === EXTENSIONS_MAX)
      return 'malformed';
    const known = knows(der, id, value);
    if (typeof known === 'string') return known;
    if (!known && isCritical) return 'unknown-critical-extension';
    at = extension.end;
  }
  return null;
}

/** A list for some of an issuer's certificates, or for some reasons, still says of its entries that they are withdrawn. */
const isKnownOfList: KnowsExtension = (der, id, value) => {
  if (derContentEquals(der, id, OID_DELTA_INDICATOR)) return 'delta-list';
  if (!derContentEquals(der, id, OID_DISTRIBUTION_POINT)) return false;
  const point = expectDer(der, value.start, value.end, DER_TAG.sequence);
  if (point.end !== value.end) return 'malformed';
  let at = point.start;
  while (at < point.end) {
    const field = readDer(der, at, point.end);
    if (field === MALFORMED) return 'malformed';
    if (field.tag === TAG_INDIRECT && der[field.start] !== 0) return 'indirect-list';
    at = field.end;
  }
  return true;
};

/** Why and since when do not matter; that an entry is of another issuer is critical, and comes in indirect lists only. */
const isKnownOfEntry: KnowsExtension = () => false;
