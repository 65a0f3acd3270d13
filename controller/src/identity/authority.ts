import {
  certificateToPem,
  createCertificate,
  createKeyPairSync,
  parsePrivateKey,
  type PrivateDirectory,
  privateKeyToPem,
  readCertificateFields,
  readValidity,
  splitPemCertificates,
  svidRefreshAtMs,
} from '@ambit/mesh/tls';
import { type KeyObject, X509Certificate } from 'node:crypto';
import { IdentityError } from './errors.ts';
import { BACKDATE_MS_MAX } from './limits.ts';

/** A certificate with its key, as one file of the state directory holds it. */
export interface KeptCertificate {
  readonly certificate: Buffer;
  readonly certificatePem: string;
  readonly privateKey: KeyObject;
  readonly privateKeyPem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** What a new authority is to be. */
export interface AuthorityProfile {
  readonly commonName: string;
  readonly validityMs: number;
  readonly pathLength: number;
}

/** Reads key and certificate from one file; undefined when there is none. @throws IdentityError `state-damaged`. */
export function readKept(state: PrivateDirectory, file: string): KeptCertificate | undefined {
  const text = state.read(file);
  if (text === undefined) return undefined;
  try {
    const privateKeyPem = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/.exec(text)?.[0] ?? '';
    const privateKey = parsePrivateKey(privateKeyPem);
    const [certificatePem = ''] = splitPemCertificates(text);
    const x509 = new X509Certificate(certificatePem);
    const fields = readCertificateFields(x509.raw);
    const validity = fields && readValidity(x509.raw, fields);
    if (validity === undefined || !x509.checkPrivateKey(privateKey)) throw new Error('key and certificate do not fit');
    return { certificate: x509.raw, certificatePem, privateKey, privateKeyPem, ...validity };
  } catch (cause) {
    throw new IdentityError('state-damaged', { cause, data: { path: `${state.path}/${file}` } });
  }
}

/** The text of such a file. */
export function formatKept(kept: Pick<KeptCertificate, 'privateKeyPem' | 'certificatePem'>): string {
  return kept.privateKeyPem + kept.certificatePem;
}

/** A new authority with a fresh key, signed by `issuer` or by itself. Not stored. */
export function createAuthority(
  profile: AuthorityProfile,
  issuer: KeptCertificate | undefined,
  nowMs: number,
): KeptCertificate {
  const { publicKey, privateKey } = createKeyPairSync();
  const notBeforeMs = Math.max(wholeSecond(nowMs - BACKDATE_MS_MAX), issuer?.notBeforeMs ?? 0);
  const notAfterMs = Math.min(wholeSecond(nowMs + profile.validityMs), issuer?.notAfterMs ?? Number.POSITIVE_INFINITY);
  const certificate = createCertificate(
    {
      organization: 'Ambit',
      commonName: profile.commonName,
      publicKey,
      notBeforeMs,
      notAfterMs,
      usage: { kind: 'authority', pathLength: profile.pathLength },
    },
    issuer === undefined
      ? { kind: 'itself', privateKey }
      : { kind: 'authority', certificate: issuer.certificate, privateKey: issuer.privateKey },
  );
  return {
    certificate,
    certificatePem: certificateToPem(certificate),
    privateKey,
    privateKeyPem: privateKeyToPem(privateKey),
    notBeforeMs,
    notAfterMs,
  };
}

/** The stored root of that name, made on first use. Two processes that begin together end up with the same one. */
export function openRoot(
  state: PrivateDirectory,
  file: string,
  profile: AuthorityProfile,
  nowMs: number,
): KeptCertificate {
  const stored = readKept(state, file);
  if (stored !== undefined) return stored;
  const fresh = createAuthority(profile, undefined, nowMs);
  if (state.create(file, formatKept(fresh))) return fresh;
  return openRoot(state, file, profile, nowMs);
}

/** True when half of its life is over: time for a successor. */
export function isDue(kept: KeptCertificate, nowMs: number): boolean {
  return nowMs >= svidRefreshAtMs(kept);
}

/** Certificates count whole seconds. */
export function wholeSecond(timeMs: number): number {
  return Math.floor(timeMs / 1000) * 1000;
}
