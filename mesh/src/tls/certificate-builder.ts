import { createHash, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { type AltName, altNameExtension, extension } from './alt-name.ts';
import {
  type Asn1,
  bitString,
  boolean,
  existing,
  explicit,
  implicit,
  integer,
  octetString,
  oid,
  sequence,
  set,
  time,
  toDer,
  utf8String,
} from './asn1-structure.ts';
import { readCertificateFields, readSubjectKeyId } from './certificate-fields.ts';
import { DER_TAG, readDer } from './der.ts';
import { TlsError } from './errors.ts';
import { isP256, publicKeyToDer } from './key-pair.ts';

/** What a certificate says. Its serial number is always drawn here: 128 random bits. */
export interface CertificateProfile {
  /** Subject names; without any, the subject is empty and the alternative names are critical. */
  readonly organization?: string;
  readonly commonName?: string;
  readonly publicKey: KeyObject;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly altNames?: readonly AltName[];
  readonly usage: CertificateUsage;
}

export type CertificateUsage =
  | { readonly kind: 'authority'; readonly pathLength?: number }
  | { readonly kind: 'leaf'; readonly purposes: readonly CertificatePurpose[] };

export type CertificatePurpose = 'server' | 'client';

/** Who signs. `itself` makes a root, whose issuer is its own subject. */
export type CertificateIssuer =
  | { readonly kind: 'itself'; readonly privateKey: KeyObject }
  | { readonly kind: 'authority'; readonly certificate: Uint8Array; readonly privateKey: KeyObject };

/** The algorithm of every signature that is made here. */
export const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';

const OID = {
  organization: '2.5.4.10',
  commonName: '2.5.4.3',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  server: '1.3.6.1.5.5.7.3.1',
  client: '1.3.6.1.5.5.7.3.2',
} as const;

const VERSION_3 = Uint8Array.of(2);
const SERIAL_BYTES = 16;

/**
 * Builds and signs one X.509 v3 certificate with ECDSA-SHA256; returns its DER. Chain rules are the caller's: this does
 * not check that the issuer is an authority or outlives what it signs.
 * @throws TlsError `invalid-profile` for a key that is not P-256, an empty window or a bad name; `invalid-certificate`
 * for an unreadable issuer.
 */
export function createCertificate(profile: CertificateProfile, issuer: CertificateIssuer): Buffer {
  if (!isP256(profile.publicKey)) throw new TlsError('invalid-profile', { data: { reason: 'not-p256' } });
  if (!(profile.notBeforeMs < profile.notAfterMs)) {
    throw new TlsError('invalid-profile', { data: { reason: 'empty-validity' } });
  }
  const subject = nameOf(profile);
  const subjectKey = publicKeyToDer(profile.publicKey);
  const subjectKeyId = keyIdOf(subjectKey);
  const signer = signerOf(issuer, subject, subjectKeyId);
  const body = sequence(
    explicit(0, integer(VERSION_3)),
    integer(createSerial()),
    sequence(oid(ECDSA_WITH_SHA256)),
    signer.name,
    sequence(time(profile.notBeforeMs), time(profile.notAfterMs)),
    subject,
    existing(subjectKey),
    explicit(3, sequence(...extensionsOf(profile, subjectKeyId, signer.keyId))),
  );
  return signStructure(body, issuer.privateKey);
}

/** `body` with an ECDSA-SHA256 signature behind it: the frame that certificates and certificate requests share. */
export function signStructure(body: Asn1, privateKey: KeyObject): Buffer {
  const signature = sign('sha256', toDer(body), { key: privateKey, dsaEncoding: 'der' });
  return toDer(sequence(body, sequence(oid(ECDSA_WITH_SHA256)), bitString(signature)));
}

/** DER as one PEM block. */
export function certificateToPem(der: Uint8Array): string {
  return new X509Certificate(der).toString();
}

function createSerial(): Buffer {
  const serial = randomBytes(SERIAL_BYTES);
  // RFC 5280 4.1.2.2: positive, and never zero.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

function nameOf(profile: CertificateProfile): Asn1 {
  const parts: Asn1[] = [];
  const add = (id: string, text: string | undefined): void => {
    if (text !== undefined) parts.push(set(sequence(oid(id), utf8String(text))));
  };
  add(OID.organization, profile.organization);
  add(OID.commonName, profile.commonName);
  return sequence(...parts);
}

function signerOf(
  issuer: CertificateIssuer,
  subject: Asn1,
  subjectKeyId: Uint8Array,
): { name: Asn1; keyId: Uint8Array } {
  if (issuer.kind === 'itself') return { name: subject, keyId: subjectKeyId };
  const der = issuer.certificate;
  const fields = readCertificateFields(der);
  if (fields === undefined) throw new TlsError('invalid-certificate', { data: { reason: 'issuer-unreadable' } });
  return {
    name: existing(der.subarray(fields.subject.offset, fields.subject.end)),
    keyId: readSubjectKeyId(der, fields) ?? keyIdOf(der.subarray(fields.publicKey.offset, fields.publicKey.end)),
  };
}

function extensionsOf(profile: CertificateProfile, subjectKeyId: Uint8Array, authorityKeyId: Uint8Array): Asn1[] {
  const { usage, altNames = [] } = profile;
  const extensions = [keyUsageExtension(usage)];
  if (usage.kind === 'authority') {
    const limit = usage.pathLength === undefined ? [] : [integer(Uint8Array.of(usage.pathLength))];
    extensions.push(extension(OID.basicConstraints, true, sequence(boolean(true), ...limit)));
  } else {
    extensions.push(extension(OID.basicConstraints, true, sequence()));
    const purposes = usage.purposes.map((purpose) => oid(OID[purpose]));
    extensions.push(extension(OID.extendedKeyUsage, false, sequence(...purposes)));
  }
  extensions.push(extension(OID.subjectKeyId, false, octetString(subjectKeyId)));
  extensions.push(extension(OID.authorityKeyId, false, sequence(implicit(0, authorityKeyId))));
  if (altNames.length > 0) {
    const subjectIsEmpty = profile.commonName === undefined && profile.organization === undefined;
    extensions.push(altNameExtension(altNames, subjectIsEmpty));
  }
  return extensions;
}

/** Bit 0 is digitalSignature; 5 and 6 are keyCertSign and cRLSign. Counted from the most significant bit. */
function keyUsageExtension(usage: CertificateUsage): Asn1 {
  const bits = usage.kind === 'authority' ? bitString(Uint8Array.of(0x06), 1) : bitString(Uint8Array.of(0x80), 7);
  return extension(OID.keyUsage, true, bits);
}

/** RFC 7093 method 1: the leftmost 160 bits of the SHA-256 of the public key's bits. */
function keyIdOf(subjectPublicKeyInfo: Uint8Array): Buffer {
  const whole = readDer(subjectPublicKeyInfo, 0, subjectPublicKeyInfo.length);
  const algorithm = readDer(subjectPublicKeyInfo, whole.start, whole.end);
  const bits = readDer(subjectPublicKeyInfo, algorithm.end, whole.end);
  if (bits.tag !== DER_TAG.bitString) throw new TlsError('invalid-certificate', { data: { reason: 'unreadable-key' } });
  const key = subjectPublicKeyInfo.subarray(bits.start + 1, bits.end);
  return createHash('sha256').update(key).digest().subarray(0, 20);
}
