import { readAltNames, readCertificateFields } from './certificate-fields.ts';
import { isNodeName } from './join-token.ts';

const PREFIX = 'ambit://node/';

/** The URI name of a node's certificate. It is no SPIFFE ID: no tunnel accepts it, whoever signed it. */
export function nodeUri(node: string): string {
  return PREFIX + node;
}

/** The node that a certificate (leaf DER) was issued to; undefined when it is not a node's. Never throws. */
export function nodeOfCertificate(certificate: Uint8Array): string | undefined {
  const fields = readCertificateFields(certificate);
  if (fields?.extensions === undefined) return undefined;
  const names = readAltNames(certificate, fields.extensions);
  if (names === 'malformed' || names.uris.length !== 1 || names.otherCount > 0) return undefined;
  const [uri = ''] = names.uris;
  const node = uri.slice(PREFIX.length);
  return uri.startsWith(PREFIX) && isNodeName(node) ? node : undefined;
}
