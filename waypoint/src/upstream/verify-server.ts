import type { VerifyPeer } from '@ambit/mesh/hbone';
import type { SpiffeId } from '@ambit/mesh/model';
import { MeshError } from '@ambit/mesh/runtime';
import { noRevocations, verifyServer } from '@ambit/mesh/tls';

/** The peer of a handshake is not who it must be. `data.reason` says why; the peer is told nothing. */
export class PeerRefusedError extends MeshError<'peer-refused'> {
  override readonly name = 'PeerRefusedError';
}

/** For connections we open: the peer must be exactly one of `identities`. */
export function serverVerifier(identities: readonly SpiffeId[]): VerifyPeer<SpiffeId> {
  return (certificate) => {
    const verdict = verifyServer(certificate, { identities, revocations: noRevocations });
    if (verdict.kind !== 'refused') return verdict.id;
    throw new PeerRefusedError('peer-refused', 'the tunnel peer was refused', { data: { reason: verdict.reason } });
  };
}
