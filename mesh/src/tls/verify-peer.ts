import type { SpiffeId, TrustDomain } from '../model/spiffe-id.ts';
import { MeshError } from '../runtime/errors.ts';
import { readCertificateFields, readValidity } from './certificate-fields.ts';
import { type PeerRefusal, type PeerVerdict, verifyClient, verifyServer } from './peer-verdict.ts';
import { noRevocations } from './revocation.ts';

/** Says who the peer of a handshake is by its leaf certificate (DER), or throws PeerRefusedError. */
type VerifyPeer = (certificate: Uint8Array) => SpiffeId;

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
export function serverVerifier(identities: readonly SpiffeId[]): VerifyPeer {
  return (certificate) => accepted(verifyServer(certificate, { identities, revocations: noRevocations }));
}

/** For connections we accept: the peer must be a workload of our trust domain. */
export function clientVerifier(trustDomain: TrustDomain): VerifyPeer {
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
