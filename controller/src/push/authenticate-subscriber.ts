import { GrpcError, type GrpcPeer } from '@ambit/mesh/grpc';
import type { Logger } from '@ambit/mesh/runtime';
import { refusalKey } from '../identity/caller.ts';
import type { ControllerIdentity } from '../identity/index.ts';
import { decideSubscriber, type SubscriberWorld } from './decide-subscriber.ts';
import type { SubscriberIdentity } from './scope.ts';

/** As what the peer reads the mesh. @throws GrpcError `unauthenticated`; the reason is in our log. */
export async function authenticateSubscriber(
  identity: Pick<ControllerIdentity, 'authenticate'>,
  world: SubscriberWorld,
  logger: Logger,
  peer: GrpcPeer,
): Promise<SubscriberIdentity> {
  const caller = await identity.authenticate(peer);
  const decision = decideSubscriber(caller, peer.pod, world);
  if (decision.kind === 'accepted') return decision.identity;
  const { reason } = decision;
  const fields = { reason, node: caller.node, pod: peer.pod, 'peer.address': peer.address };
  logger.warn('caller refused', fields, { limitBy: refusalKey(reason, peer) });
  throw new GrpcError('unauthenticated');
}
