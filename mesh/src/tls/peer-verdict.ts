import type { SpiffeId } from '../model/spiffe-id.ts';
import { identitiesOfSame, isOfTrustDomains, type TrustDomains } from '../model/trust-domains.ts';
import { identifyPeer, type PeerIdentityRefusal } from './peer-identity.ts';
import { readChainNames, type Revocations } from './revocation.ts';

/** Why a peer whose chain is in order is not accepted. Stable words: used as metric label and in logs; the peer is told nothing. */
export type PeerRefusal = PeerIdentityRefusal | 'other-trust-domain' | 'unexpected-identity' | 'revoked';

export type PeerVerdict =
  | { readonly kind: 'accepted'; readonly id: SpiffeId }
  | { readonly kind: 'refused'; readonly reason: PeerRefusal; readonly id?: SpiffeId };

/** What a peer showed in the handshake, whose chain TLS has verified. */
export interface PeerCertificates {
  /** DER of the leaf. */
  readonly leaf: Uint8Array;
  /** DER of what else it sent; asked for only when something is revoked. */
  readonly issuers: () => readonly Uint8Array[];
}

export interface ClientExpectation {
  /** That of our own SVID, with its aliases; a client of another one is refused. */
  readonly domains: TrustDomains;
  readonly revocations: Revocations;
}

export interface ServerExpectation {
  /** The server must be exactly one of these, or the same account under an alias of its trust domain. An empty list accepts nobody. */
  readonly identities: readonly SpiffeId[];
  readonly domains: TrustDomains;
  readonly revocations: Revocations;
}

/** Server side: is this client a workload of our trust domain? */
export function verifyClient(certificates: PeerCertificates, expected: ClientExpectation): PeerVerdict {
  const verdict = verifyPeer(certificates, expected.revocations);
  if (verdict.kind === 'accepted' && !isOfTrustDomains(expected.domains, verdict.id)) {
    return { kind: 'refused', reason: 'other-trust-domain', id: verdict.id };
  }
  return verdict;
}

/** Client side: is this server one of the identities that the destination may have? */
export function verifyServer(certificates: PeerCertificates, expected: ServerExpectation): PeerVerdict {
  const verdict = verifyPeer(certificates, expected.revocations);
  if (verdict.kind === 'refused') return verdict;
  const { identities, domains } = expected;
  if (identitiesOfSame(domains, verdict.id).some((name) => identities.includes(name))) return verdict;
  return { kind: 'refused', reason: 'unexpected-identity', id: verdict.id };
}

/** A peer is refused when anything of its chain is revoked, and when it sends something else that is. */
function verifyPeer({ leaf, issuers }: PeerCertificates, revocations: Revocations): PeerVerdict {
  const identity = identifyPeer(leaf);
  if (identity.kind === 'refused') return identity;
  if (revocations.size > 0) {
    const names = readChainNames(leaf, issuers());
    if (names === null) return { kind: 'refused', reason: 'malformed-certificate' };
    if (names.some((name) => revocations.isRevoked(name))) {
      return { kind: 'refused', reason: 'revoked', id: identity.id };
    }
  }
  return { kind: 'accepted', id: identity.id };
}
