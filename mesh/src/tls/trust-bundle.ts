import { X509Certificate } from 'node:crypto';
import { TlsError } from './errors.ts';

/** Roots that peers are verified against. Plain data, so that it can be posted to a worker thread. */
export interface TrustBundle {
  /** One PEM certificate each, without duplicates, in the order received. Never empty. */
  readonly rootsPem: readonly string[];
}

/** Most roots in one bundle: a rotation needs two, a merged mesh a few more. */
export const TRUST_BUNDLE_ROOTS_MAX = 32;
/** Most certificates in one chain. */
export const CHAIN_CERTIFICATES_MAX = 10;

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,32768}-----END CERTIFICATE-----/g;

/** The certificate blocks of a PEM text, in order, each normalised to one block; text around them is ignored. */
export function splitPemCertificates(pem: string): readonly string[] {
  return pem.match(PEM_BLOCK)?.map((block) => `${block}\n`) ?? [];
}

/**
 * Roots from PEM texts that may hold several blocks each.
 * @throws TlsError `invalid-trust-bundle` when there is none, too many, or one is not a certificate.
 */
export function parseTrustBundle(pems: readonly string[]): TrustBundle {
  const roots = new Map<string, string>();
  for (const block of pems.flatMap(splitPemCertificates)) {
    if (roots.size === TRUST_BUNDLE_ROOTS_MAX)
      throw new TlsError('invalid-trust-bundle', { data: { reason: 'too-many' } });
    const certificate = parseCertificate(block, 'invalid-trust-bundle');
    roots.set(certificate.fingerprint256, block);
  }
  if (roots.size === 0) throw new TlsError('invalid-trust-bundle', { data: { reason: 'empty' } });
  return { rootsPem: [...roots.values()] };
}

/** @throws TlsError with `code` when the PEM block is not a certificate. */
export function parseCertificate(
  pem: string | Uint8Array,
  code: 'invalid-trust-bundle' | 'invalid-certificate' | 'invalid-chain',
): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new TlsError(code, { cause, data: { reason: 'not-a-certificate' } });
  }
}
