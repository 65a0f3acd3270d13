import type { SpiffeId } from '../model/spiffe-id.ts';
import { identitiesOfSame, type TrustDomains } from '../model/trust-domains.ts';
import { type CertificateName, noRevocations, readChainNames, type Revocations } from './revocation.ts';
import { clientVerifier, PeerRefusedError, type PeerTrust, serverVerifier } from './verify-peer.ts';

/** Who is at the other end of a tunnel connection, for as long as that lives. */
export interface TunnelPeer {
  /** As its certificate says. */
  readonly id: SpiffeId;
  /** Further identities that count as `id`. */
  readonly aliases: readonly SpiffeId[];
  /** What it showed in its handshake; empty where nothing is ever revoked. */
  readonly certificates: readonly CertificateName[];
}

/** Makes the peer of its certificates (DER); throws PeerRefusedError. */
type VerifyTunnelPeer = (leaf: Buffer, issuers: () => readonly Buffer[]) => TunnelPeer;

export interface TunnelPeersOptions {
  readonly domains: TrustDomains;
  /** Whether lists of revoked certificates may come: then peers are remembered by their certificates. */
  readonly watchesRevocation: boolean;
}

const NONE: readonly never[] = [];

/** Who is accepted at the other end of tunnels, in one data worker. */
export class TunnelPeers {
  /** Of connections that were refused or cut as their peer was revoked, by who saw it. */
  readonly rejections: { source: number; destination: number } = { source: 0, destination: 0 };
  readonly verifyClient: VerifyTunnelPeer;
  readonly #options: TunnelPeersOptions;
  readonly #trust: PeerTrust;
  #revocations: Revocations = noRevocations;

  constructor(options: TunnelPeersOptions) {
    this.#options = options;
    this.#trust = { domains: options.domains, revocations: () => this.#revocations };
    this.verifyClient = this.#verifier(clientVerifier(this.#trust), 'destination');
  }

  /** For connections to a peer that must be one of `identities`. */
  serverVerifier(identities: readonly SpiffeId[]): VerifyTunnelPeer {
    return this.#verifier(serverVerifier(identities, this.#trust), 'source');
  }

  /** From now on these are revoked. Whoever carries connections has to ask `isRevoked` again. */
  revoke(revocations: Revocations): void {
    this.#revocations = revocations;
  }

  isRevoked({ certificates }: TunnelPeer): boolean {
    const revocations = this.#revocations;
    return revocations.size > 0 && certificates.some((name) => revocations.isRevoked(name));
  }

  #verifier(
    verify: (leaf: Uint8Array, issuers: () => readonly Uint8Array[]) => SpiffeId,
    side: 'source' | 'destination',
  ): VerifyTunnelPeer {
    const { domains, watchesRevocation } = this.#options;
    return (leaf, issuers) => {
      let id: SpiffeId;
      try {
        id = verify(leaf, issuers);
      } catch (error) {
        if (error instanceof PeerRefusedError && error.reason === 'revoked') this.rejections[side]++;
        throw error;
      }
      const aliases = domains.aliases.length === 0 ? NONE : identitiesOfSame(domains, id).slice(1);
      return { id, aliases, certificates: watchesRevocation ? namesOf(leaf, issuers()) : NONE };
    };
  }
}

/** A peer that could not be found again in a later list is refused. */
function namesOf(leaf: Buffer, issuers: readonly Buffer[]): readonly CertificateName[] {
  const names = readChainNames(leaf, issuers);
  if (names === null) throw new PeerRefusedError({ kind: 'refused', reason: 'malformed-certificate' });
  return names;
}
