import type { SpiffeId, TrustDomain } from '../model/spiffe-id.ts';
import { identifyPeer, type PeerIdentityRefusal } from './peer-identity.ts';
import { readRevocationName, type Revocations } from './revocation.ts';

/** Why a peer whose chain is in order is not accepted. Stable words: used as metric label and in logs; the peer is told nothing. */
export type PeerRefusal = PeerIdentityRefusal | 'other-trust-domain' | 'unexpected-identity' | 'revoked';

export type PeerVerdict =
  | { readonly kind: 'accepted'; readonly id: SpiffeId }
  | { readonly kind: 'refused'; readonly reason: PeerRefusal; readonly id?: SpiffeId };

export interface ClientExpectation {
  /** Trust domain of our own SVID; a client of another one is refused. */
  readonly trustDomain: TrustDomain;
  readonly revocations: Revocations;
}

export interface ServerExpectation {
  /** The server must be exactly one of these. An empty list accepts nobody. */
  readonly identities: readonly SpiffeId[];
  readonly revocations: Revocations;
}

/** Server side: is this client (leaf DER) a workload of our trust domain? */
export function verifyClient(certificate: Uint8Array, expected: ClientExpectation): PeerVerdict {
  const verdict = verifyPeer(certificate, expected.revocations);
  if (verdict.kind === 'accepted' && !verdict.id.startsWith(`spiffe://${expected.trustDomain}/`)) {
    return { kind: 'refused', reason: 'other-trust-domain', id: verdict.id };
  }
  return verdict;
}

/** Client side: is this server (leaf DER) one of the identities that the destination may have? */
export function verifyServer(certificate: Uint8Array, expected: ServerExpectation): PeerVerdict {
  const verdict = verifyPeer(certificate, expected.revocations);
  if (verdict.kind === 'accepted' && !expected.identities.includes(verdict.id)) {
    return { kind: 'refused', reason: 'unexpected-identity', id: verdict.id };
  }
  return verdict;
}

function verifyPeer(certificate: Uint8Array, revocations: Revocations): PeerVerdict {
  const identity = identifyPeer(certificate);
  if (identity.kind === 'refused') return identity;
  if (revocations.size > 0) {
    const name = readRevocationName(certificate);
    if (name === undefined) return { kind: 'refused', reason: 'malformed-certificate' };
    if (revocations.isRevoked(name.issuer, name.serial)) return { kind: 'refused', reason: 'revoked', id: identity.id };
  }
  return { kind: 'accepted', id: identity.id };
}
