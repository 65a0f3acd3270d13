import { nodeOfCertificate, readCertificateFields, readSerial, readValidity } from '@ambit/mesh/tls';

/** Why a caller is nobody we know. For our log alone. */
export type CallerRefusal = 'no-certificate' | 'not-a-node' | 'certificate-expired' | 'certificate-revoked';

export type Caller =
  | { readonly kind: 'node'; readonly node: string; readonly serial: string; readonly notBeforeMs: number }
  | { readonly kind: 'refused'; readonly reason: CallerRefusal; readonly node?: string };

/**
 * Who calls, by the client certificate of the connection, which TLS has verified to come from the node authority. Asked
 * for every call: a connection outlives expiry and revocation.
 */
export function identifyCaller(
  certificate: Uint8Array | undefined,
  nowMs: number,
  isRevoked: (node: string, serial: string) => boolean,
): Caller {
  if (certificate === undefined) return { kind: 'refused', reason: 'no-certificate' };
  const node = nodeOfCertificate(certificate);
  const fields = readCertificateFields(certificate);
  const validity = fields && readValidity(certificate, fields);
  if (node === undefined || fields === undefined || validity === undefined) {
    return { kind: 'refused', reason: 'not-a-node' };
  }
  if (nowMs >= validity.notAfterMs) return { kind: 'refused', reason: 'certificate-expired', node };
  const serial = readSerial(certificate, fields);
  if (isRevoked(node, serial)) return { kind: 'refused', reason: 'certificate-revoked', node };
  return { kind: 'node', node, serial, notBeforeMs: validity.notBeforeMs };
}
