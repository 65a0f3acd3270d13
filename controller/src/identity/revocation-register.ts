import { X509Certificate } from 'node:crypto';
import {
  createRevocationList,
  issuerText,
  parseRevocationFile,
  type PrivateDirectory,
  readCertificateFields,
  readCertificateName,
  revocationListToPem,
} from '@ambit/mesh/tls';
import { type KeptCertificate, readKept } from './authority.ts';
import { STATE_FILES } from './certificate-authority.ts';
import { IdentityError } from './errors.ts';

const LIST_FILE = 'revocation-list.pem';
/** A list older than that is warned of by those who read it. No certificate on it lives as long. */
const LIST_VALIDITY_MS = 7 * 24 * 3_600_000;

/**
 * Puts a workload's certificate (PEM) on the list of the authority that signed it, together with what is on that already, and gives the list
 * as PEM. A list of a former authority is dropped: whatever that signed has ended by then or can be waited for.
 * @throws IdentityError `not-issued-here`, `state-damaged`.
 */
export function revokeCertificate(state: PrivateDirectory, certificatePem: string, nowMs: number): string {
  const authority = readKept(state, STATE_FILES.intermediate);
  const serial = authority === undefined ? null : serialIssuedBy(authority, certificatePem);
  if (authority === undefined || serial === null) throw new IdentityError('not-issued-here');
  const serials = new Set([...knownSerials(state, authority), serial]);
  const pem = revocationListToPem(
    createRevocationList(
      {
        serials: [...serials],
        number: Math.floor(nowMs / 1000),
        thisUpdateMs: nowMs,
        nextUpdateMs: nowMs + LIST_VALIDITY_MS,
      },
      authority,
    ),
  );
  state.write(LIST_FILE, pem);
  return pem;
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

function knownSerials(state: PrivateDirectory, authority: KeptCertificate): readonly string[] {
  const text = state.read(LIST_FILE);
  const fields = readCertificateFields(authority.certificate);
  if (text === undefined || fields === undefined) return [];
  const issuer = issuerText(authority.certificate.subarray(fields.subject.offset, fields.subject.end));
  try {
    return parseRevocationFile(Buffer.from(text))
      .filter(({ serials }) => serials.issuer === issuer)
      .flatMap(({ serials: { bytes, width } }) =>
        Array.from({ length: width === 0 ? 0 : bytes.length / width }, (_, index) =>
          Buffer.from(bytes.subarray(index * width, (index + 1) * width)).toString('hex'),
        ),
      );
  } catch (cause) {
    throw new IdentityError('state-damaged', { cause, data: { path: `${state.path}/${LIST_FILE}` } });
  }
}
