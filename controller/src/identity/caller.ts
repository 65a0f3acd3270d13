import { hostOfPeer } from '@ambit/mesh/model';
import { nodeOfCertificate, readCertificateFields, readSerial, readValidity } from '@ambit/mesh/tls';
import type { TokenRefusal } from './admit-token-caller.ts';

/** Why a caller is nobody we know. For our log alone. */
export type CallerRefusal =
  | 'no-certificate'
  | 'not-a-node'
  | 'certificate-expired'
  | 'certificate-revoked'
  | TokenRefusal;

/** A node that joined by token and shows the certificate it got. */
export type NodeCaller = {
  readonly kind: 'node';
  readonly node: string;
  readonly serial: string;
  readonly notBeforeMs: number;
};

/** A pod that shows the token of its service account. */
export type PodCaller = {
  readonly kind: 'pod';
  readonly node: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly podName: string;
  readonly podUid: string;
  /** It speaks for every workload of its node. */
  readonly isNodeAgent: boolean;
};

export type RefusedCaller = { readonly kind: 'refused'; readonly reason: CallerRefusal; readonly node?: string };

export type Caller = NodeCaller | PodCaller | RefusedCaller;

/** What tells callers apart: one agent has one name, whatever it asks for. */
export function callerName(caller: { readonly node: string; readonly podUid?: string | undefined }): string {
  return caller.podUid ?? caller.node;
}

/** What makes lines about refused calls one and the same for the log, of which few are written. */
export function refusalKey(reason: string, peer: { readonly address: string }): string {
  return `${reason} ${hostOfPeer(peer.address)}`;
}

/**
 * Who calls, by the client certificate of the connection, which TLS has verified to come from the node authority. Asked
 * for every call: a connection outlives expiry and revocation.
 */
export function identifyCaller(
  certificate: Uint8Array | undefined,
  nowMs: number,
  isRevoked: (node: string, serial: string) => boolean,
): NodeCaller | RefusedCaller {
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
