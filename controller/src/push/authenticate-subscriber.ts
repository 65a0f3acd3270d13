import { GrpcError, type GrpcPeer } from '@ambit/mesh/grpc';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import { refusalKey } from '../identity/caller.ts';
import type { ControllerIdentity } from '../identity/index.ts';
import { decideSubscriber, type SubscriberDecision, type SubscriberWorld } from './decide-subscriber.ts';
import type { SubscriberIdentity } from './scope.ts';

export interface SubscriberAuthentication {
  readonly identity: Pick<ControllerIdentity, 'authenticate'>;
  readonly world: SubscriberWorld;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly logger: Logger;
}

/** How far our copy of the cluster may be behind a pod that has just begun to run and calls at once. */
export const COPY_PATIENCE_MS = 5000;
const LOOK_AGAIN_MS = 100;

/**
 * As what the peer reads the mesh. A pod that has proved who it is and that our copy of the cluster does not have yet waits for that a
 * moment: it would otherwise be told that it is nobody. @throws GrpcError `unauthenticated` when it is not known who calls, and
 * `permission-denied` when that is known and is nobody who may; the reason is in our log.
 */
export async function authenticateSubscriber(
  options: SubscriberAuthentication,
  peer: GrpcPeer,
): Promise<SubscriberIdentity> {
  const { identity, world, clock, logger } = options;
  let caller = await identity.authenticate(peer);
  let decision: SubscriberDecision = decideSubscriber(caller, peer.pod, world);
  for (let waitedMs = 0; isUnknown(decision) && waitedMs < COPY_PATIENCE_MS; waitedMs += LOOK_AGAIN_MS) {
    await clock.sleep(LOOK_AGAIN_MS);
    decision = decideSubscriber(caller, peer.pod, world);
    if (isUnknown(decision)) continue;
    // What it has proved with may have been revoked meanwhile.
    caller = await identity.authenticate(peer);
    decision = decideSubscriber(caller, peer.pod, world);
  }
  if (decision.kind === 'accepted') return decision.identity;
  const { reason } = decision;
  const fields = { reason, node: caller.node, pod: peer.pod, 'peer.address': peer.address };
  logger.warn('caller refused', fields, { limitBy: refusalKey(reason, peer) });
  throw new GrpcError('permission-denied');
}

function isUnknown(decision: SubscriberDecision): boolean {
  return decision.kind === 'refused' && decision.reason === 'pod-unknown';
}
