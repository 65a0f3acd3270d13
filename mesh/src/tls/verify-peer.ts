import type { SpiffeId } from '../model/spiffe-id.ts';
import type { TrustDomains } from '../model/trust-domains.ts';
import { MeshError } from '../runtime/errors.ts';
import { readCertificateFields, readValidity } from './certificate-fields.ts';
import { type PeerRefusal, type PeerVerdict, verifyClient, verifyServer } from './peer-verdict.ts';
import { noRevocations, type Revocations } from './revocation.ts';

/** Says who the peer of a handshake is by its certificates (DER), or throws PeerRefusedError. */
type VerifyPeer = (leaf: Uint8Array, issuers: () => readonly Uint8Array[]) => SpiffeId;

/** The peer of a handshake is not who it must be. `data.reason` says why; the peer is told nothing. */
export class PeerRefusedError extends MeshError<'peer-refused'> {
  override readonly name = 'PeerRefusedError';
  readonly reason: PeerRefusal;

  constructor(verdict: PeerVerdict & { readonly kind: 'refused' }) {
    super('peer-refused', 'the tunnel peer was refused', { data: { reason: verdict.reason, identity: verdict.id } });
    this.reason = verdict.reason;
  }
}

/** What is told of a connection that ends since its peer is revoked. */
export const REVOKED_TEXT = 'the certificate of the tunnel peer is revoked';

/** Whether a failed handshake, as whoever opens or accepts connections reports it, failed since the peer is revoked. */
export function isRevocation({ cause }: Error): boolean {
  return cause instanceof PeerRefusedError && cause.reason === 'revoked';
}

/** What counts for every peer. */
export interface PeerTrust {
  readonly domains: TrustDomains;
  /** Asked in each handshake: lists come and go. Absent: nothing is revoked. */
  readonly revocations?: () => Revocations;
}

/** For connections we open: the peer must be one of `identities`, or the same account under an alias of its trust domain. */
export function serverVerifier(identities: readonly SpiffeId[], { domains, revocations }: PeerTrust): VerifyPeer {
  return (leaf, issuers) =>
    accepted(verifyServer({ leaf, issuers }, { identities, domains, revocations: revocations?.() ?? noRevocations }));
}

/** For connections we accept: the peer must be a workload of our trust domain, or of an alias. */
export function clientVerifier({ domains, revocations }: PeerTrust): VerifyPeer {
  return (leaf, issuers) =>
    accepted(verifyClient({ leaf, issuers }, { domains, revocations: revocations?.() ?? noRevocations }));
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
