import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { SpiffeId } from '../model/spiffe-id.ts';
import { readCertificateFields, readSerial, readValidity } from './certificate-fields.ts';
import { TlsError } from './errors.ts';
import { identifyPeer } from './peer-identity.ts';
import { CHAIN_CERTIFICATES_MAX, parseCertificate, splitPemCertificates, type TrustBundle } from './trust-bundle.ts';

/**
 * A workload's identity document with its key and the roots its peers are verified against. Plain data: the main
 * thread posts it to the data workers. One object per rotation: secure contexts are cached by object identity.
 */
export interface Svid {
  readonly id: SpiffeId;
  /** Lower-case hexadecimal. */
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** PKCS#8 PEM, EC P-256. A secret. */
  readonly privateKeyPem: string;
  /** Leaf, then intermediates; no root. This is what a peer is shown. */
  readonly chainPem: string;
  readonly trustBundle: TrustBundle;
}

export interface SvidMaterial {
  readonly privateKeyPem: string;
  /** Leaf first. Several blocks; roots at the end are left out of what is shown to peers. */
  readonly chainPem: string;
  readonly trustBundle: TrustBundle;
}

/**
 * Checks that key, leaf, intermediates and roots belong together, and that the leaf states one SPIFFE ID. Says nothing
 * about the time: an expired SVID parses.
 * @throws TlsError `invalid-private-key`, `invalid-certificate`, `invalid-chain`, `key-mismatch`.
 */
export function parseSvid(material: SvidMaterial): Svid {
  const key = parsePrivateKey(material.privateKeyPem);
  const blocks = splitPemCertificates(material.chainPem);
  const [leafPem] = blocks;
  if (leafPem === undefined || blocks.length > CHAIN_CERTIFICATES_MAX) {
    throw new TlsError('invalid-chain', { data: { certificates: blocks.length } });
  }
  const leaf = parseCertificate(leafPem, 'invalid-certificate');
  const fields = readCertificateFields(leaf.raw);
  const validity = fields && readValidity(leaf.raw, fields);
  const identity = identifyPeer(leaf.raw);
  if (fields === undefined || validity === undefined || identity.kind === 'refused') {
    const reason = identity.kind === 'refused' ? identity.reason : 'malformed-certificate';
    throw new TlsError('invalid-certificate', { data: { reason } });
  }
  if (!leaf.checkPrivateKey(key)) throw new TlsError('key-mismatch', { data: { identity: identity.id } });
  return {
    id: identity.id,
    serial: readSerial(leaf.raw, fields),
    ...validity,
    privateKeyPem: material.privateKeyPem,
    chainPem: shownChain(blocks),
    trustBundle: material.trustBundle,
  };
}

/** Each certificate must be signed by the next; a self-signed one ends the chain and is not shown. */
function shownChain(blocks: readonly string[]): string {
  const chain = blocks.map((block) => parseCertificate(block, 'invalid-chain'));
  let shown = '';
  for (const [index, certificate] of chain.entries()) {
    if (index > 0 && certificate.verify(certificate.publicKey)) break;
    const issuer = chain[index + 1];
    if (issuer !== undefined && !certificate.verify(issuer.publicKey)) {
      throw new TlsError('invalid-chain', { data: { reason: 'not-signed-by-next', position: index } });
    }
    shown += blocks[index];
  }
  return shown;
}

/** @throws TlsError `invalid-private-key` unless the text is a PKCS#8 PEM EC P-256 key. */
export function parsePrivateKey(pem: string): KeyObject {
  if (!pem.startsWith('-----BEGIN PRIVATE KEY-----')) {
    throw new TlsError('invalid-private-key', { data: { reason: 'not-pkcs8-pem' } });
  }
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: 'pem' });
  } catch (cause) {
    throw new TlsError('invalid-private-key', { cause });
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new TlsError('invalid-private-key', { data: { reason: 'not-p256' } });
  }
  return key;
}

/** When the SVID should be replaced: half of its life, as every mesh agent does. */
export function svidRefreshAtMs(svid: Pick<Svid, 'notBeforeMs' | 'notAfterMs'>): number {
  return svid.notBeforeMs + (svid.notAfterMs - svid.notBeforeMs) / 2;
}
