import { ModelError } from '../model/errors.ts';
import { parseSpiffeId, type SpiffeId } from '../model/spiffe-id.ts';
import { CERTIFICATE_BYTES_MAX, readCertificateFields, readAltNames } from './certificate-fields.ts';

/** Why a peer's certificate names no identity. Stable words: used as metric label and in logs. */
export type PeerIdentityRefusal =
  | 'no-certificate'
  | 'certificate-too-large'
  | 'malformed-certificate'
  | 'no-uri-name'
  | 'several-uri-names'
  | 'not-a-spiffe-id';

export type PeerIdentity =
  | { readonly kind: 'identified'; readonly id: SpiffeId }
  | { readonly kind: 'refused'; readonly reason: PeerIdentityRefusal };

/**
 * The identity that a leaf certificate (DER) states: its one URI subject alternative name. Whether the certificate is
 * trusted is not asked here; the TLS handshake has verified its chain. Read from the DER because the text form that
 * Node prints cannot tell one name from two. Bounded; never throws, whatever the bytes.
 */
export function identifyPeer(certificate: Uint8Array | undefined): PeerIdentity {
  if (certificate === undefined || certificate.length === 0) return refused('no-certificate');
  if (certificate.length > CERTIFICATE_BYTES_MAX) return refused('certificate-too-large');
  const fields = readCertificateFields(certificate);
  if (fields === undefined) return refused('malformed-certificate');
  if (fields.extensions === undefined) return refused('no-uri-name');
  const names = readAltNames(certificate, fields.extensions);
  if (names === 'malformed') return refused('malformed-certificate');
  const [uri] = names.uris;
  if (uri === undefined) return refused('no-uri-name');
  if (names.uris.length > 1) return refused('several-uri-names');
  try {
    return { kind: 'identified', id: parseSpiffeId(uri) };
  } catch (error) {
    if (error instanceof ModelError) return refused('not-a-spiffe-id');
    throw error;
  }
}

function refused(reason: PeerIdentityRefusal): PeerIdentity {
  return { kind: 'refused', reason };
}
