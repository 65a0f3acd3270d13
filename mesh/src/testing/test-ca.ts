import type { KeyObject } from 'node:crypto';
import { DEFAULT_TRUST_DOMAIN, parseSpiffeId, type SpiffeId } from '../model/spiffe-id.ts';
import type { AltName } from '../tls/alt-name.ts';
import { type CertificatePurpose, certificateToPem, createCertificate } from '../tls/certificate-builder.ts';
import { createKeyPairSync, type KeyPair, privateKeyToPem } from '../tls/key-pair.ts';
import { readCertificateName } from '../tls/revocation.ts';
import {
  createRevocationList,
  type RevocationListProfile,
  revocationListToPem,
} from '../tls/revocation-list-builder.ts';
import { parseSvid, type Svid } from '../tls/svid.ts';
import { parseTrustBundle, type TrustBundle } from '../tls/trust-bundle.ts';

const HOUR_MS = 3_600_000;

export interface TestCertificateOptions {
  /** Validity relative to now. Default: an hour back to a day ahead. */
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  /** Replaces the one URI name that the identity gives. */
  readonly altNames?: readonly AltName[];
  /** Default: both. */
  readonly purposes?: readonly CertificatePurpose[];
  /** Default: a fresh pair. */
  readonly keyPair?: KeyPair;
}

/** A certificate that no check of ours has looked at; `chainPem` is leaf and intermediate. */
export interface TestCertificate {
  readonly privateKeyPem: string;
  readonly chainPem: string;
  readonly certificate: Buffer;
}

/** A root with one intermediate, for tests and benches. Every object has its own keys: two of them never trust each other. */
export interface TestCa {
  readonly rootPem: string;
  readonly intermediatePem: string;
  readonly trustBundle: TrustBundle;
  /** A usable SVID. `id` may be given as text. */
  issue(id: SpiffeId | string, options?: TestCertificateOptions): Svid;
  /** PEM of the list of the intermediate, which withdraws what is given: DER of leaves. */
  revocationList(certificates: readonly Uint8Array[], options?: Partial<RevocationListProfile>): string;
  /** The same of the root, whose certificates are authorities. */
  rootRevocationList(certificates: readonly Uint8Array[]): string;
  /** DER of the intermediate. */
  readonly intermediate: Buffer;
  /** Any leaf, also one that `parseSvid` would refuse: two URI names, none, expired. */
  issueCertificate(options?: TestCertificateOptions): TestCertificate;
}

/** Makes a CA. It is not bound to a trust domain: that is only in the identities it is asked for. */
export function createTestCa(options: { readonly name?: string; readonly nowMs?: number } = {}): TestCa {
  const now = options.nowMs ?? Date.now();
  const name = options.name ?? 'Ambit test';
  const window = { notBeforeMs: now - 2 * HOUR_MS, notAfterMs: now + 240 * HOUR_MS };
  const rootKey = createKeyPairSync();
  const root = createCertificate(
    { ...window, organization: name, commonName: 'root', publicKey: rootKey.publicKey, usage: { kind: 'authority' } },
    { kind: 'itself', privateKey: rootKey.privateKey },
  );
  const intermediateKey = createKeyPairSync();
  const intermediate = createCertificate(
    {
      ...window,
      organization: name,
      commonName: 'intermediate',
      publicKey: intermediateKey.publicKey,
      usage: { kind: 'authority', pathLength: 0 },
    },
    { kind: 'authority', certificate: root, privateKey: rootKey.privateKey },
  );
  const rootPem = certificateToPem(root);
  const intermediatePem = certificateToPem(intermediate);
  const trustBundle = parseTrustBundle([rootPem]);
  const signer = { certificate: intermediate, privateKey: intermediateKey.privateKey };
  const issueCertificate = (leaf: TestCertificateOptions = {}): TestCertificate => {
    const { certificate, privateKey } = issueLeaf(signer, now, leaf);
    return {
      certificate,
      privateKeyPem: privateKeyToPem(privateKey),
      chainPem: certificateToPem(certificate) + intermediatePem,
    };
  };
  return {
    rootPem,
    intermediatePem,
    trustBundle,
    intermediate,
    revocationList: (certificates, profile = {}) => listOf(signer, now, certificates, profile),
    rootRevocationList: (certificates) =>
      listOf({ certificate: root, privateKey: rootKey.privateKey }, now, certificates, {}),
    issueCertificate,
    issue: (id, leaf = {}) => {
      const altNames: AltName[] = [{ kind: 'uri', value: parseSpiffeId(id) }];
      return parseSvid({ ...issueCertificate({ altNames, ...leaf }), trustBundle });
    },
  };
}

/** The identity of a service account in the default trust domain, or another. */
export function testIdentity(namespace: string, serviceAccount: string, trustDomain?: string): SpiffeId {
  return parseSpiffeId(`spiffe://${trustDomain ?? DEFAULT_TRUST_DOMAIN}/ns/${namespace}/sa/${serviceAccount}`);
}

function listOf(
  issuer: { readonly certificate: Buffer; readonly privateKey: KeyObject },
  now: number,
  certificates: readonly Uint8Array[],
  profile: Partial<RevocationListProfile>,
): string {
  const serials = certificates.map((certificate) => readCertificateName(certificate)?.serial ?? '');
  const window = { thisUpdateMs: now - HOUR_MS, nextUpdateMs: now + 24 * HOUR_MS };
  return revocationListToPem(createRevocationList({ serials, number: 1, ...window, ...profile }, issuer));
}

function issueLeaf(
  signer: { readonly certificate: Buffer; readonly privateKey: KeyObject },
  now: number,
  options: TestCertificateOptions,
): { certificate: Buffer; privateKey: KeyObject } {
  const { publicKey, privateKey } = options.keyPair ?? createKeyPairSync();
  const certificate = createCertificate(
    {
      publicKey,
      notBeforeMs: options.notBeforeMs ?? now - HOUR_MS,
      notAfterMs: options.notAfterMs ?? now + 24 * HOUR_MS,
      altNames: options.altNames ?? [],
      usage: { kind: 'leaf', purposes: options.purposes ?? ['server', 'client'] },
    },
    { kind: 'authority', ...signer },
  );
  return { certificate, privateKey };
}
