import {
  GATEWAY_NAME_LABEL,
  type Gateway,
  isOfWaypoint,
  type Pod,
  WAYPOINT_CLASS,
  waypointServiceName,
} from '@ambit/mesh/kinds';
import type { SubscribedPod, SubscriberIdentity } from './scope.ts';

/** Who calls, as its certificate or token says. */
export interface SubscribingCaller {
  readonly node: string;
  /** Where the caller is a pod that proved to be that one. */
  readonly pod?: SubscribedPod;
  /** It acts for every workload of its node: a node's own certificate, or the token of a node agent. */
  readonly speaksForNode: boolean;
}

export interface SubscriberWorld {
  pod(namespace: string, name: string): Pod | undefined;
  gateway(namespace: string, name: string): Gateway | undefined;
}

/** Why a caller that is known may not subscribe. For our log alone. */
export type SubscriberRefusal =
  | 'not-a-node-agent'
  | 'not-a-waypoint'
  | 'pod-of-another-node'
  | 'pod-unknown'
  | 'waypoint-of-another-service-account';

export type SubscriberDecision =
  | { readonly kind: 'accepted'; readonly identity: SubscriberIdentity }
  | { readonly kind: 'refused'; readonly reason: SubscriberRefusal };

/**
 * As what a caller reads. `claimedPod` is the pod, as `namespace/name`, that it says to be: only who speaks for a node is
 * believed that, and only of pods on that node. A pod is a waypoint by the labels that name its Gateway, which must be one of
 * a waypoint's class in the pod's own namespace: whoever may create pods there may run it. Its service account is the one by
 * which policies let the Gateway's waypoints in: with another it would serve, and be refused once there is such a policy.
 */
export function decideSubscriber(
  caller: SubscribingCaller,
  claimedPod: string | undefined,
  world: SubscriberWorld,
): SubscriberDecision {
  const { node, pod, speaksForNode } = caller;
  if (!speaksForNode) {
    if (pod === undefined) return refused('not-a-node-agent');
    const found = world.pod(pod.namespace, pod.name);
    if (found === undefined || found.meta.uid !== pod.uid) return refused('pod-unknown');
    return waypointOf(found, node, world, 'not-a-node-agent');
  }
  if (claimedPod === undefined) return accepted({ kind: 'node-agent', node, ...(pod === undefined ? {} : { pod }) });
  const [namespace = '', name = ''] = claimedPod.split('/');
  const found = world.pod(namespace, name);
  if (found === undefined) return refused('pod-unknown');
  if (found.nodeName !== node) return refused('pod-of-another-node');
  return waypointOf(found, node, world, 'not-a-waypoint');
}

function waypointOf(
  { meta, serviceAccountName }: Pod,
  node: string,
  world: SubscriberWorld,
  otherwise: SubscriberRefusal,
): SubscriberDecision {
  if (!isOfWaypoint(meta.labels)) return refused(otherwise);
  const gateway = meta.labels.get(GATEWAY_NAME_LABEL) ?? '';
  if (world.gateway(meta.namespace, gateway)?.className !== WAYPOINT_CLASS) return refused('not-a-waypoint');
  if (serviceAccountName !== waypointServiceName(gateway)) return refused('waypoint-of-another-service-account');
  const { namespace, name, uid } = meta;
  return accepted({ kind: 'waypoint', node, pod: { namespace, name, uid }, gateway: `${namespace}/${gateway}` });
}

function accepted(identity: SubscriberIdentity): SubscriberDecision {
  return { kind: 'accepted', identity };
}

function refused(reason: SubscriberRefusal): SubscriberDecision {
  return { kind: 'refused', reason };
}
