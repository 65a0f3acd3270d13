import { DER_TAG, derContentEquals, type DerElement, expectDer, MALFORMED, readDer } from './der.ts';

/** Largest certificate that is looked at. Mesh certificates are below 1 KiB; the bound keeps a peer from costing us time. */
export const CERTIFICATE_BYTES_MAX: number = 16 * 1024;
/** Most subject alternative names that are looked at. */
export const ALT_NAMES_MAX = 64;
const EXTENSIONS_MAX = 64;

const OID_SUBJECT_ALT_NAME = Uint8Array.of(0x55, 0x1d, 0x11);
const OID_SUBJECT_KEY_ID = Uint8Array.of(0x55, 0x1d, 0x0e);

const TAG_VERSION = 0xa0;
const TAG_ISSUER_UNIQUE_ID = 0x81;
const TAG_SUBJECT_UNIQUE_ID = 0x82;
const TAG_EXTENSIONS = 0xa3;
const TAG_NAME_URI = 0x86;

/** Where the fields of a certificate lie inside its DER. Elements include their tag and length bytes. */
export interface CertificateFields {
  readonly serial: DerElement;
  readonly issuer: DerElement;
  readonly validity: DerElement;
  readonly subject: DerElement;
  readonly publicKey: DerElement;
  /** The SEQUENCE OF Extension, absent in a version 1 certificate. */
  readonly extensions: DerElement | undefined;
}

/** Locates the fields of one DER certificate; undefined when it is not one or is too large. Never throws. */
export function readCertificateFields(der: Uint8Array): CertificateFields | undefined {
  if (der.length > CERTIFICATE_BYTES_MAX) return undefined;
  const certificate = expectDer(der, 0, der.length, DER_TAG.sequence);
  if (certificate.end !== der.length) return undefined;
  const tbs = expectDer(der, certificate.start, certificate.end, DER_TAG.sequence);
  const version = readDer(der, tbs.start, tbs.end);
  const serial = expectDer(der, version.tag === TAG_VERSION ? version.end : tbs.start, tbs.end, DER_TAG.integer);
  const algorithm = expectDer(der, serial.end, tbs.end, DER_TAG.sequence);
  const issuer = expectDer(der, algorithm.end, tbs.end, DER_TAG.sequence);
  const validity = expectDer(der, issuer.end, tbs.end, DER_TAG.sequence);
  const subject = expectDer(der, validity.end, tbs.end, DER_TAG.sequence);
  const publicKey = expectDer(der, subject.end, tbs.end, DER_TAG.sequence);
  if (publicKey === MALFORMED) return undefined;
  const extensions = readExtensions(der, publicKey.end, tbs.end);
  if (extensions === 'malformed') return undefined;
  return { serial, issuer, validity, subject, publicKey, extensions };
}

function readExtensions(der: Uint8Array, offset: number, limit: number): DerElement | undefined | 'malformed' {
  let at = offset;
  while (at < limit) {
    const element = readDer(der, at, limit);
    if (element === MALFORMED) return 'malformed';
    if (element.tag === TAG_EXTENSIONS) {
      const list = expectDer(der, element.start, element.end, DER_TAG.sequence);
      // The extensions are the last field: anything after them, or around them, is not X.509.
      return list.end !== element.end || element.end !== limit ? 'malformed' : list;
    }
    if (element.tag !== TAG_ISSUER_UNIQUE_ID && element.tag !== TAG_SUBJECT_UNIQUE_ID) return 'malformed';
    at = element.end;
  }
  return undefined;
}

/**
 * The OCTET STRING of the extension `oid` in a SEQUENCE OF Extension; undefined when absent, `malformed` when the list
 * cannot be read or names the extension twice.
 */
export function findExtension(
  der: Uint8Array,
  extensions: DerElement,
  oid: Uint8Array,
): DerElement | undefined | 'malformed' {
  let found: DerElement | undefined;
  let at = extensions.start;
  for (let count = 0; at < extensions.end; count++) {
    const extension = expectDer(der, at, extensions.end, DER_TAG.sequence);
    const id = expectDer(der, extension.start, extension.end, DER_TAG.oid);
    if (id === MALFORMED || count === EXTENSIONS_MAX) return 'malformed';
    if (derContentEquals(der, id, oid)) {
      let value = readDer(der, id.end, extension.end);
      if (value.tag === DER_TAG.boolean) value = readDer(der, value.end, extension.end);
      if (value.tag !== DER_TAG.octetString || value.end !== extension.end || found !== undefined) return 'malformed';
      found = value;
    }
    at = extension.end;
  }
  return found;
}

/** The subject alternative names of a certificate or a request. */
export interface AltNames {
  /** Texts of the URI names, in order. */
  readonly uris: readonly string[];
  /** How many names there are of other kinds. */
  readonly otherCount: number;
}

const NO_NAMES: AltNames = { uris: [], otherCount: 0 };

/**
 * Reads the subject alternative names. `malformed` when the extension cannot be read, appears twice, holds too many
 * names or a URI that is not printable ASCII.
 */
export function readAltNames(der: Uint8Array, extensions: DerElement): AltNames | 'malformed' {
  const value = findExtension(der, extensions, OID_SUBJECT_ALT_NAME);
  if (value === undefined) return NO_NAMES;
  if (value === 'malformed') return 'malformed';
  const names = expectDer(der, value.start, value.end, DER_TAG.sequence);
  if (names.end !== value.end) return 'malformed';
  const uris: string[] = [];
  let at = names.start;
  let count = 0;
  for (; at < names.end; count++) {
    const name = readDer(der, at, names.end);
    if (name === MALFORMED || count === ALT_NAMES_MAX) return 'malformed';
    if (name.tag === TAG_NAME_URI) {
      const text = asciiText(der, name);
      if (text === undefined) return 'malformed';
      uris.push(text);
    }
    at = name.end;
  }
  return { uris, otherCount: count - uris.length };
}

function asciiText(der: Uint8Array, element: DerElement): string | undefined {
  for (let i = element.start; i < element.end; i++) {
    const byte = der[i] ?? 0;
    if (byte <= 0x20 || byte >= 0x7f) return undefined;
  }
  return Buffer.from(der.buffer, der.byteOffset + element.start, element.end - element.start).toString('latin1');
}

/** Serial number as lower-case hexadecimal without leading zero bytes. */
export function readSerial(der: Uint8Array, fields: CertificateFields): string {
  let start = fields.serial.start;
  while (start + 1 < fields.serial.end && der[start] === 0) start++;
  return Buffer.from(der.subarray(start, fields.serial.end)).toString('hex');
}

/** The key identifier a certificate declares for its own key, if it does. */
export function readSubjectKeyId(der: Uint8Array, fields: CertificateFields): Uint8Array | undefined {
  if (fields.extensions === undefined) return undefined;
  const value = findExtension(der, fields.extensions, OID_SUBJECT_KEY_ID);
  if (value === undefined || value === 'malformed') return undefined;
  const id = expectDer(der, value.start, value.end, DER_TAG.octetString);
  return id === MALFORMED ? undefined : der.subarray(id.start, id.end);
}

/** Validity window in milliseconds since the epoch; undefined when a time is not in the form RFC 5280 prescribes. */
export function readValidity(
  der: Uint8Array,
  fields: CertificateFields,
): { readonly notBeforeMs: number; readonly notAfterMs: number } | undefined {
  const notBefore = readDer(der, fields.validity.start, fields.validity.end);
  const notAfter = readDer(der, notBefore.end, fields.validity.end);
  if (notAfter.end !== fields.validity.end) return undefined;
  const notBeforeMs = readTime(der, notBefore);
  const notAfterMs = readTime(der, notAfter);
  return notBeforeMs === undefined || notAfterMs === undefined ? undefined : { notBeforeMs, notAfterMs };
}

const TIME = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

/** A UTCTime or GeneralizedTime in the form of RFC 5280 4.1.2.5, in milliseconds; undefined when it is none. Never throws. */
export function readTime(der: Uint8Array, element: DerElement): number | undefined {
  const text = element === MALFORMED ? undefined : asciiText(der, element);
  if (text === undefined) return undefined;
  let full = text;
  if (element.tag === DER_TAG.utcTime) full = (text < '5' ? '20' : '19') + text;
  else if (element.tag !== DER_TAG.generalizedTime) return undefined;
  const match = TIME.exec(full);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  return Number.isNaN(time) ? undefined : time;
}
