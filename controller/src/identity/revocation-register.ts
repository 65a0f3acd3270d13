import { X509Certificate } from 'node:crypto';
import {
  createRevocationList,
  issuerText,
  type PrivateDirectory,
  readCertificateFields,
  readCertificateName,
  revocationListToPem,
} from '@ambit/mesh/tls';
import { type KeptCertificate, readKept } from './authority.ts';
import { STATE_FILES } from './certificate-authority.ts';
import { IdentityError } from './errors.ts';

/** Files named by serial number; each holds its issuer. */
const REVOKED = 'revoked-certificates';
/** A list older than that is warned of by those who read it. No certificate on it lives as long. */
const LIST_VALIDITY_MS = 7 * 24 * 3_600_000;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * Withdraws a workload's certificate (PEM), and gives the list (PEM) of all that the authority that signed it has withdrawn. Of two at the
 * same time neither is lost: each is recorded by itself, before what is recorded is read. What a former authority signed is left out: it has
 * ended by then or can be waited for.
 * @throws IdentityError `not-issued-here`, `state-damaged`.
 */
export function revokeCertificate(state: PrivateDirectory, certificatePem: string, nowMs: number): string {
  const authority = readKept(state, STATE_FILES.intermediate);
  const serial = authority === undefined ? null : serialIssuedBy(authority, certificatePem);
  const issuer = authority === undefined ? null : issuerOf(authority);
  if (authority === undefined || serial === null || issuer === null) throw new IdentityError('not-issued-here');
  const revoked = state.subdirectory(REVOKED);
  revoked.write(serial, issuer);
  const list = {
    serials: revoked.list().filter((each) => readIssuer(revoked, each) === issuer),
    number: Math.floor(nowMs / 1000),
    thisUpdateMs: nowMs,
    nextUpdateMs: nowMs + LIST_VALIDITY_MS,
  };
  return revocationListToPem(createRevocationList(list, authority));
}

/** Null when it is no certificate, or another authority's. */
function serialIssuedBy(authority: KeptCertificate, pem: string): string | null {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    return null;
  }
  if (!certificate.verify(new X509Certificate(authority.certificate).publicKey)) return null;
  return readCertificateName(certificate.raw)?.serial ?? null;
}

function issuerOf({ certificate }: KeptCertificate): string | null {
  const fields = readCertificateFields(certificate);
  return fields === undefined ? null : issuerText(certificate.subarray(fields.subject.offset, fields.subject.end));
}

/** @throws IdentityError `state-damaged`: what cannot be read might be of this issuer. */
function readIssuer(revoked: PrivateDirectory, serial: string): string {
  const issuer = revoked.read(serial) ?? '';
  if (!BASE64.test(issuer)) throw new IdentityError('state-damaged', { data: { path: `${revoked.path}/${serial}` } });
  return issuer;
}
