import { X509Certificate } from 'node:crypto';
import {
  createRevocationList,
  issuerText,
  readCertificateFields,
  readCertificateName,
  readValidity,
  revocationListToPem,
} from '@ambit/mesh/tls';
import type { KeptCertificate } from './authority.ts';

/** A withdrawn certificate. */
export interface RevokedEntry {
  /** As `CertificateName` has it. */
  readonly serial: string;
  /** When it ends by itself; infinite when nobody knows. */
  readonly notAfterMs: number;
}

/** A list older than that is warned of by those who read it. No certificate on it lives as long. */
export const LIST_VALIDITY_MS: number = 7 * 24 * 3_600_000;
/** A certificate stays on lists for so long after its end, for peers whose clock is behind (RFC 5280 3.3). */
const KEPT_AFTER_END_MS = 24 * 3_600_000;

/** The certificate (PEM) as an entry; null when it is none, or another authority's. */
export function entryIssuedBy(authority: KeptCertificate, pem: string): RevokedEntry | null {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    return null;
  }
  if (!certificate.verify(new X509Certificate(authority.certificate).publicKey)) return null;
  const fields = readCertificateFields(certificate.raw);
  const name = readCertificateName(certificate.raw);
  const validity = fields && readValidity(certificate.raw, fields);
  return name === undefined || validity === undefined ? null : { serial: name.serial, notAfterMs: validity.notAfterMs };
}

/** Whether no list has to name it any more. */
export function isForgotten({ notAfterMs }: RevokedEntry, nowMs: number): boolean {
  return nowMs > notAfterMs + KEPT_AFTER_END_MS;
}

/** The name under which certificates of this authority are listed; null when it cannot be read. */
export function issuerOf({ certificate }: KeptCertificate): string | null {
  const fields = readCertificateFields(certificate);
  return fields === undefined ? null : issuerText(certificate.subarray(fields.subject.offset, fields.subject.end));
}

/** The list (PEM) of this authority. Of several a later one has a greater number. */
export function signList(
  authority: KeptCertificate,
  serials: readonly string[],
  number: number,
  thisUpdateMs: number,
): string {
  const list = { serials, number, thisUpdateMs, nextUpdateMs: thisUpdateMs + LIST_VALIDITY_MS };
  return revocationListToPem(createRevocationList(list, authority));
}
