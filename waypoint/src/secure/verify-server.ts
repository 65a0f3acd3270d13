import { X509Certificate } from 'node:crypto';
import type { BackendTls } from '@ambit/mesh/routes';
import { readAltNames, readCertificateFields } from '@ambit/mesh/tls';

/**
 * Whether a certificate (DER) has the name that is asked for: the server name, or one of `altNames` when there are any. Only its
 * subject alternative names count. That it is valid and whom it chains to is somebody else's question.
 */
export function hasWantedName(certificate: Buffer, { serverName, altNames }: BackendTls): boolean {
  let names: X509Certificate;
  try {
    names = new X509Certificate(certificate);
  } catch {
    return false;
  }
  if (altNames.length === 0) return hasHostname(names, serverName);
  const uris = urisOf(certificate);
  return altNames.some((name) => (name.kind === 'uri' ? uris.includes(name.uri) : hasHostname(names, name.hostname)));
}

function hasHostname(certificate: X509Certificate, hostname: string): boolean {
  return certificate.checkHost(hostname, { subject: 'never', partialWildcards: false }) !== undefined;
}

function urisOf(certificate: Buffer): readonly string[] {
  const extensions = readCertificateFields(certificate)?.extensions;
  if (extensions === undefined) return [];
  const names = readAltNames(certificate, extensions);
  return names === 'malformed' ? [] : names.uris;
}
