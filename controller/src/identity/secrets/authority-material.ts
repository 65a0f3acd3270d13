import {
  parsePrivateKey,
  parseTrustBundle,
  privateKeyToPem,
  readCertificateFields,
  readValidity,
  splitPemCertificates,
  TlsError,
  type TrustBundle,
} from '@ambit/mesh/tls';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeptCertificate } from '../authority.ts';
import { IdentityError } from '../errors.ts';

/** Keys of the Secrets that hold an authority, as cert-manager names them. */
export const SECRET_KEYS = { certificate: 'tls.crt', privateKey: 'tls.key', roots: 'ca.crt' } as const;

/** An authority that signs, with everything that is shown and published beside it. */
export interface AuthorityMaterial {
  readonly signer: KeptCertificate;
  /** What is shown between a leaf and the root; empty when the signer is a root itself. */
  readonly intermediatePem: string;
  readonly trustBundle: TrustBundle;
}

/**
 * An authority from the texts of a Secret or directory: certificate (its own first, then those above it), key, roots. Without
 * roots the certificate must be one itself.
 * @throws IdentityError `authority-unusable`, with the reason; nothing of the key is in it.
 */
export function parseAuthorityMaterial(texts: ReadonlyMap<string, string>, where: string): AuthorityMaterial {
  const unusable = (reason: string, cause?: unknown): IdentityError =>
    new IdentityError('authority-unusable', { ...(cause === undefined ? {} : { cause }), data: { where, reason } });
  const chain = certificatesIn(texts.get(SECRET_KEYS.certificate) ?? '', unusable);
  const [own] = chain;
  if (own === undefined) throw unusable(`${SECRET_KEYS.certificate} holds no certificate`);
  const key = readKey(texts.get(SECRET_KEYS.privateKey) ?? '', unusable);
  const fields = readCertificateFields(own.raw);
  const validity = fields && readValidity(own.raw, fields);
  if (validity === undefined) throw unusable(`${SECRET_KEYS.certificate} cannot be read`);
  if (!own.checkPrivateKey(key)) throw unusable(`${SECRET_KEYS.certificate} and ${SECRET_KEYS.privateKey} do not fit`);
  if (!own.ca) throw unusable(`${SECRET_KEYS.certificate} is not an authority (CA:TRUE)`);
  const rootsText = texts.get(SECRET_KEYS.roots) ?? '';
  const roots = certificatesIn(rootsText === '' ? own.toString() : rootsText, unusable);
  const shown = chain.filter((certificate) => !isRoot(certificate));
  assertChain(isRoot(own) ? [own] : shown, roots, unusable);
  return {
    signer: {
      certificate: own.raw,
      certificatePem: own.toString(),
      privateKey: key,
      privateKeyPem: privateKeyToPem(key),
      ...validity,
    },
    intermediatePem: shown.map(String).join(''),
    trustBundle: parseTrustBundle(roots.map(String)),
  };
}

type Unusable = (reason: string, cause?: unknown) => IdentityError;

function certificatesIn(text: string, unusable: Unusable): readonly X509Certificate[] {
  try {
    return splitPemCertificates(text).map((block) => new X509Certificate(block));
  } catch (cause) {
    throw unusable('a certificate cannot be read', cause);
  }
}

/** PKCS#8, as we write it, or SEC 1, as cert-manager and openssl do. */
function readKey(pem: string, unusable: Unusable): KeptCertificate['privateKey'] {
  try {
    const isSec1 = pem.includes('-----BEGIN EC PRIVATE KEY-----');
    return parsePrivateKey(isSec1 ? privateKeyToPem(createPrivateKey(pem)) : pem.trimStart());
  } catch (cause) {
    const reason = cause instanceof TlsError ? String(cause.data['reason'] ?? 'unreadable') : 'unreadable';
    // Without the cause: whoever parsed it might quote it.
    throw unusable(`${SECRET_KEYS.privateKey} must be an EC P-256 key in PEM: ${reason}`);
  }
}

function isRoot(certificate: X509Certificate): boolean {
  return certificate.verify(certificate.publicKey);
}

/** Each is signed by the next, and the last is a root or signed by one. */
function assertChain(chain: readonly X509Certificate[], roots: readonly X509Certificate[], unusable: Unusable): void {
  for (const [index, certificate] of chain.entries()) {
    const issuers = index + 1 < chain.length ? chain.slice(index + 1, index + 2) : roots;
    if (!issuers.some((issuer) => certificate.verify(issuer.publicKey))) {
      throw unusable(`certificate ${index + 1} is not signed by the next, or by a root of ${SECRET_KEYS.roots}`);
    }
  }
}
