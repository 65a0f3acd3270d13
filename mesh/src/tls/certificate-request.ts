import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { altNameExtension } from './alt-name.ts';
import { existing, explicit, integer, oid, sequence, set } from './asn1-structure.ts';
import { signStructure } from './certificate-builder.ts';
import { type AltNames, readAltNames } from './certificate-fields.ts';
import { DER_TAG, derContentEquals, type DerElement, expectDer, MALFORMED } from './der.ts';
import { type KeyPair, publicKeyToDer } from './key-pair.ts';

/** Largest request that is looked at; ours are below 500 bytes. */
export const CERTIFICATE_REQUEST_BYTES_MAX: number = 8 * 1024;

/** Why a certificate request is refused. Stable words for our log; the caller is told nothing. */
export type CertificateRequestRefusal =
  | 'request-too-large'
  | 'not-pem'
  | 'malformed-request'
  | 'not-p256'
  | 'not-ecdsa-sha256'
  | 'bad-signature'
  | 'several-uri-names'
  | 'other-names';

export type ParsedCertificateRequest =
  | {
      readonly kind: 'parsed';
      /** P-256; the requester has proved that it holds the private half. */
      readonly publicKey: KeyObject;
      /** The one URI name, if any; not parsed as an identity yet. */
      readonly uri: string | undefined;
    }
  | { readonly kind: 'refused'; readonly reason: CertificateRequestRefusal };

const OID_EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const OID_EXTENSION_REQUEST_DER = Uint8Array.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e);
/** The content of SEQUENCE { ecdsa-with-SHA256 }. */
const ECDSA_SHA256_DER = Uint8Array.of(0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
/** Everything of a P-256 SubjectPublicKeyInfo before the coordinates of the uncompressed point. */
const P256_KEY_HEAD = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const P256_KEY_BYTES = 91;
const TAG_ATTRIBUTES = 0xa0;
const ATTRIBUTES_MAX = 16;
const PEM =
  /^\s*-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END (?:NEW )?CERTIFICATE REQUEST-----\s*$/;

/** A PKCS#10 request in PEM: empty subject, at most one URI name, signed with ECDSA-SHA256. */
export function createCertificateRequest(options: { readonly keyPair: KeyPair; readonly uri?: string }): string {
  const { keyPair, uri } = options;
  const attributes =
    uri === undefined
      ? []
      : [sequence(oid(OID_EXTENSION_REQUEST), set(sequence(altNameExtension([{ kind: 'uri', value: uri }], true))))];
  const body = sequence(
    integer(Uint8Array.of(0)),
    sequence(),
    existing(publicKeyToDer(keyPair.publicKey)),
    explicit(0, ...attributes),
  );
  return requestToPem(signStructure(body, keyPair.privateKey));
}

/** DER as one PEM block. */
export function requestToPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join('\n')}\n-----END CERTIFICATE REQUEST-----\n`;
}

/**
 * Reads a request from an untrusted caller: one PEM block, a P-256 key, a valid ECDSA-SHA256 signature by it, at most
 * one URI name and no other. The subject is ignored. Bounded; never throws, whatever the text.
 */
export function parseCertificateRequest(pem: string): ParsedCertificateRequest {
  if (pem.length > CERTIFICATE_REQUEST_BYTES_MAX) return refused('request-too-large');
  const base64 = PEM.exec(pem)?.[1];
  if (base64 === undefined) return refused('not-pem');
  const der = Buffer.from(base64, 'base64');
  const request = readRequest(der);
  if (request === undefined) return refused('malformed-request');
  const key = der.subarray(request.publicKey.offset, request.publicKey.end);
  if (key.length !== P256_KEY_BYTES || !key.subarray(0, P256_KEY_HEAD.length).equals(P256_KEY_HEAD)) {
    return refused('not-p256');
  }
  if (!derContentEquals(der, request.algorithm, ECDSA_SHA256_DER)) return refused('not-ecdsa-sha256');
  const publicKey = importKey(key);
  if (publicKey === undefined) return refused('not-p256');
  const signed = der.subarray(request.body.offset, request.body.end);
  // The first byte of a BIT STRING counts unused bits; a DER signature has none.
  if (der[request.signature.start] !== 0) return refused('malformed-request');
  const signature = der.subarray(request.signature.start + 1, request.signature.end);
  if (!verify('sha256', signed, { key: publicKey, dsaEncoding: 'der' }, signature)) return refused('bad-signature');
  const names = readRequestedNames(der, request.attributes);
  if (names === 'malformed') return refused('malformed-request');
  if (names.otherCount > 0) return refused('other-names');
  if (names.uris.length > 1) return refused('several-uri-names');
  return { kind: 'parsed', publicKey, uri: names.uris[0] };
}

interface RequestFields {
  readonly body: DerElement;
  readonly publicKey: DerElement;
  readonly attributes: DerElement;
  readonly algorithm: DerElement;
  readonly signature: DerElement;
}

function readRequest(der: Uint8Array): RequestFields | undefined {
  const whole = expectDer(der, 0, der.length, DER_TAG.sequence);
  const body = expectDer(der, whole.start, whole.end, DER_TAG.sequence);
  const algorithm = expectDer(der, body.end, whole.end, DER_TAG.sequence);
  const signature = expectDer(der, algorithm.end, whole.end, DER_TAG.bitString);
  if (whole.end !== der.length || signature.end !== whole.end) return undefined;
  const version = expectDer(der, body.start, body.end, DER_TAG.integer);
  const subject = expectDer(der, version.end, body.end, DER_TAG.sequence);
  const publicKey = expectDer(der, subject.end, body.end, DER_TAG.sequence);
  const attributes = expectDer(der, publicKey.end, body.end, TAG_ATTRIBUTES);
  if (attributes.end !== body.end) return undefined;
  return { body, publicKey, attributes, algorithm, signature };
}

function readRequestedNames(der: Uint8Array, attributes: DerElement): AltNames | 'malformed' {
  let names: AltNames | undefined;
  let at = attributes.start;
  for (let count = 0; at < attributes.end; count++) {
    const attribute = expectDer(der, at, attributes.end, DER_TAG.sequence);
    const id = expectDer(der, attribute.start, attribute.end, DER_TAG.oid);
    if (id === MALFORMED || count === ATTRIBUTES_MAX) return 'malformed';
    if (derContentEquals(der, id, OID_EXTENSION_REQUEST_DER)) {
      const values = expectDer(der, id.end, attribute.end, DER_TAG.set);
      const extensions = expectDer(der, values.start, values.end, DER_TAG.sequence);
      if (names !== undefined || extensions.end !== values.end || values.end !== attribute.end) return 'malformed';
      const read = readAltNames(der, extensions);
      if (read === 'malformed') return 'malformed';
      names = read;
    }
    at = attribute.end;
  }
  return names ?? { uris: [], otherCount: 0 };
}

/** Undefined when the point is not on the curve. */
function importKey(spki: Buffer): KeyObject | undefined {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

function refused(reason: CertificateRequestRefusal): ParsedCertificateRequest {
  return { kind: 'refused', reason };
}
