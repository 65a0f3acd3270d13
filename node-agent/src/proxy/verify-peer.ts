import type { VerifyPeer } from '@ambit/mesh/hbone';
import type { SpiffeId, TrustDomain } from '@ambit/mesh/model';
import { MeshError } from '@ambit/mesh/runtime';
import {
  noRevocations,
  type PeerRefusal,
  type PeerVerdict,
  readCertificateFields,
  readValidity,
  verifyClient,
  verifyServer,
} from '@ambit/mesh/tls';

/** The peer of a handshake is not who it must be. `data.reason` says why; the peer is told nothing. */
export class PeerRefusedError extends MeshError<'peer-refused'> {
  override readonly name = 'PeerRefusedError';
  readonly reason: PeerRefusal;

  constructor(verdict: PeerVerdict & { readonly kind: 'refused' }) {
    super('peer-refused', 'the tunnel peer was refused', { data: { reason: verdict.reason, identity: verdict.id } });
    this.reason = verdict.reason;
  }
}

/** For connections we open: the peer must be exactly one of `identities`. */
export function serverVerifier(identities: readonly SpiffeId[]): VerifyPeer<SpiffeId> {
  return (certificate) => accepted(verifyServer(certificate, { identities, revocations: noRevocations }));
}

/** For connections we accept: the peer must be a workload of our trust domain. */
export function clientVerifier(trustDomain: TrustDomain): VerifyPeer<SpiffeId> {
  return (certificate) => accepted(verifyClient(certificate, { trustDomain, revocations: noRevocations }));
}

/** When a peer's certificate (DER) ends; 0, which is long ago, if it does not say so in the prescribed form. */
export function validUntilMs(certificate: Uint8Array): number {
  const fields = readCertificateFields(certificate);
  return fields === undefined ? 0 : (readValidity(certificate, fields)?.notAfterMs ?? 0);
}

function accepted(verdict: PeerVerdict): SpiffeId {
  if (verdict.kind === 'refused') throw new PeerRefusedError(verdict);
  return verdict.id;
}
