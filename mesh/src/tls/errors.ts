import { MeshError, type MeshErrorOptions } from '../runtime/errors.ts';

const MESSAGES = {
  'invalid-private-key': 'private key is not a PKCS#8 PEM P-256 key',
  'invalid-certificate': 'certificate cannot be used',
  'invalid-chain': 'certificate chain cannot be used',
  'key-mismatch': 'private key does not belong to the certificate',
  'invalid-trust-bundle': 'trust bundle holds no usable root',
  'invalid-revocation-list': 'revocation lists cannot be used',
  'insecure-state': 'secrets are not kept privately',
  'handshake-failed': 'TLS handshake failed',
  'handshake-refused': 'TLS peer was refused after the handshake',
  'invalid-profile': 'certificate profile cannot be expressed',
} as const;

export type TlsErrorCode = keyof typeof MESSAGES;

/**
 * Keys, certificates and bundles that cannot be used are not retryable: the same material fails again. A handshake
 * (`data.reason`: error code of OpenSSL or the system, `closed`, `no-alpn`, `no-certificate`) may be tried again.
 */
export class TlsError extends MeshError<TlsErrorCode> {
  override readonly name = 'TlsError';

  constructor(code: TlsErrorCode, options: MeshErrorOptions = {}) {
    super(code, MESSAGES[code], { retryable: code === 'handshake-failed', ...options });
  }
}
