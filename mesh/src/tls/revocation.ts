import { readCertificateFields, readSerial } from './certificate-fields.ts';

/**
 * Which certificates are withdrawn, by issuer and serial number. Asked after the handshake, since Node's own `crl`
 * option refuses every chain whose issuer has no list.
 */
export interface Revocations {
  /** False lets callers skip reading the certificate. */
  readonly size: number;
  isRevoked(issuer: Uint8Array, serial: string): boolean;
}

/** Nothing is revoked. */
export const noRevocations: Revocations = { size: 0, isRevoked: () => false };

export interface RevokedCertificate {
  /** DER of the issuer's name, as it stands in the certificate. */
  readonly issuer: Uint8Array;
  /** Lower-case hexadecimal without leading zero bytes. */
  readonly serial: string;
}

/** An immutable set; a new list replaces the old one whole. */
export function createRevocations(revoked: Iterable<RevokedCertificate>): Revocations {
  const keys = new Set<string>();
  for (const { issuer, serial } of revoked) keys.add(revocationKey(issuer, serial));
  return { size: keys.size, isRevoked: (issuer, serial) => keys.has(revocationKey(issuer, serial)) };
}

/** Issuer and serial of a certificate, as a revocation list names it; undefined when the DER cannot be read. */
export function readRevocationName(certificate: Uint8Array): RevokedCertificate | undefined {
  const fields = readCertificateFields(certificate);
  if (fields === undefined) return undefined;
  return {
    issuer: certificate.subarray(fields.issuer.offset, fields.issuer.end),
    serial: readSerial(certificate, fields),
  };
}

function revocationKey(issuer: Uint8Array, serial: string): string {
  return `${Buffer.from(issuer.buffer, issuer.byteOffset, issuer.byteLength).toString('base64')} ${serial}`;
}
