import { readCertificateFields, readSerial } from './certificate-fields.ts';

/** How a revocation list names a certificate. Plain data. */
export interface CertificateName {
  /** DER of the issuer's name as it stands in the certificate, in base64. */
  readonly issuer: string;
  /** Lower-case hexadecimal without leading zero bytes. */
  readonly serial: string;
}

/** The serial numbers that one issuer has withdrawn. Plain data: threads share its bytes. */
export interface RevokedSerials {
  /** As in `CertificateName`. */
  readonly issuer: string;
  /** Bytes of each serial number in `bytes`; shorter ones have zeros in front. */
  readonly width: number;
  /** The serial numbers, sorted, one behind the other. */
  readonly bytes: Uint8Array;
}

/**
 * Which certificates are withdrawn, by issuer and serial number. Asked after the handshake, since Node's own `crl`
 * option refuses every chain whose issuer has no list.
 */
export interface Revocations {
  /** How many are. Zero lets callers skip reading the certificate. */
  readonly size: number;
  isRevoked(name: CertificateName): boolean;
}

/** Nothing is revoked. */
export const noRevocations: Revocations = { size: 0, isRevoked: () => false };

/** An immutable set; new lists replace the old ones whole. Several lists of one issuer count together. */
export function createRevocations(lists: readonly RevokedSerials[]): Revocations {
  const byIssuer = new Map<string, SerialSet[]>();
  let size = 0;
  for (const list of lists) {
    const set = new SerialSet(list);
    byIssuer.set(list.issuer, [...(byIssuer.get(list.issuer) ?? []), set]);
    size += set.size;
  }
  return {
    size,
    isRevoked: ({ issuer, serial }) => byIssuer.get(issuer)?.some((set) => set.has(serial)) === true,
  };
}

/**
 * Packs serial numbers (big-endian bytes without leading zeros, as one latin-1 character a byte) for `createRevocations`:
 * a list of some 100,000 entries takes as many times the length of one.
 */
export function packSerials(issuer: string, serials: readonly string[]): RevokedSerials {
  const width = serials.reduce((longest, { length }) => Math.max(longest, length), 0);
  // Sorted in their padded form: in order of value.
  const sorted = serials.map((serial) => serial.padStart(width, '\0')).sort(byCodeUnits);
  // A length of zero is not shared between threads, but then there is nothing to share.
  const bytes = Buffer.from(new SharedArrayBuffer(width * sorted.length));
  for (const [index, serial] of sorted.entries()) bytes.write(serial, index * width, 'latin1');
  return { issuer, width, bytes };
}

/** Issuer and serial of a certificate, as a revocation list names it; undefined when the DER cannot be read. */
export function readCertificateName(certificate: Uint8Array): CertificateName | undefined {
  const fields = readCertificateFields(certificate);
  if (fields === undefined) return undefined;
  return {
    issuer: issuerText(certificate.subarray(fields.issuer.offset, fields.issuer.end)),
    serial: readSerial(certificate, fields),
  };
}

/** The names of a peer's certificate and of all that it sent with it; null when one of them cannot be read. */
export function readChainNames(
  certificate: Uint8Array,
  issuers: readonly Uint8Array[],
): readonly CertificateName[] | null {
  const names: CertificateName[] = [];
  for (const each of [certificate, ...issuers]) {
    const name = readCertificateName(each);
    if (name === undefined) return null;
    names.push(name);
  }
  return names;
}

/** The name of an issuer (DER) as `CertificateName` has it. */
export function issuerText(der: Uint8Array): string {
  return Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
}

class SerialSet {
  readonly size: number;
  readonly #bytes: Buffer;
  readonly #width: number;

  constructor({ bytes, width }: RevokedSerials) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#width = width;
    this.size = width === 0 ? 0 : bytes.byteLength / width;
  }

  has(serial: string): boolean {
    const width = this.#width;
    if (serial.length > width * 2) return false;
    const wanted = Buffer.from(serial.padStart(width * 2, '0'), 'hex');
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#bytes.compare(wanted, 0, width, middle * width, (middle + 1) * width);
      if (order === 0) return true;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return false;
  }
}

function byCodeUnits(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
