import type { KeyObject } from 'node:crypto';
import { extension } from './alt-name.ts';
import { type Asn1, existing, explicit, integer, oid, sequence, time } from './asn1-structure.ts';
import { ECDSA_WITH_SHA256, signStructure } from './certificate-builder.ts';
import { readCertificateFields } from './certificate-fields.ts';
import { TlsError } from './errors.ts';

const VERSION_2 = Uint8Array.of(1);
const OID_LIST_NUMBER = '2.5.29.20';

/** What a certificate revocation list says. */
export interface RevocationListProfile {
  /** As `CertificateName` has them: hexadecimal. */
  readonly serials: readonly string[];
  /** Grows with each list of an issuer. */
  readonly number: number;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  /** Further extensions of the list and of its first entry, for tests. */
  readonly extensions?: readonly Asn1[];
  readonly entryExtensions?: readonly Asn1[];
}

/**
 * Builds and signs a version 2 list (RFC 5280 5) of what `issuer` has withdrawn; returns its DER.
 * @throws TlsError `invalid-certificate` for an unreadable issuer.
 */
export function createRevocationList(
  profile: RevocationListProfile,
  issuer: { readonly certificate: Uint8Array; readonly privateKey: KeyObject },
): Buffer {
  const fields = readCertificateFields(issuer.certificate);
  if (fields === undefined) throw new TlsError('invalid-certificate', { data: { reason: 'issuer-unreadable' } });
  const { serials, number, thisUpdateMs, nextUpdateMs, extensions = [], entryExtensions = [] } = profile;
  const listNumber = Buffer.alloc(6);
  listNumber.writeUIntBE(number, 0, 6);
  const entries = serials.map((serial, index) => {
    const own = index === 0 && entryExtensions.length > 0 ? [sequence(...entryExtensions)] : [];
    return sequence(integer(Buffer.from(serial, 'hex')), time(thisUpdateMs), ...own);
  });
  const body = sequence(
    integer(VERSION_2),
    sequence(oid(ECDSA_WITH_SHA256)),
    existing(issuer.certificate.subarray(fields.subject.offset, fields.subject.end)),
    time(thisUpdateMs),
    time(nextUpdateMs),
    // An empty list of entries is left out (RFC 5280 5.1.2.6).
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    explicit(0, sequence(extension(OID_LIST_NUMBER, false, integer(listNumber)), ...extensions)),
  );
  return signStructure(body, issuer.privateKey);
}

/** DER as one PEM block. */
export function revocationListToPem(der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN X509 CRL-----\n${lines}\n-----END X509 CRL-----\n`;
}
