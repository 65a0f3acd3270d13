import {
  BACKEND_TYPE_URL,
  POLICY_SET_TYPE_URL,
  SERVICE_ROUTES_TYPE_URL,
  SESSION_KEYS_TYPE_URL,
} from '@ambit/mesh/route-wire';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL, RANGES_TYPE_URL } from '@ambit/mesh/wire';

/** The pod at the other end of a stream. */
export interface SubscribedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** Who reads from the controller. */
export type SubscriberIdentity =
  | {
      readonly kind: 'node-agent';
      /** Name of the node, as its certificate or its token says. */
      readonly node: string;
      /** The agent's pod, where it is one. */
      readonly pod?: SubscribedPod;
    }
  | {
      readonly kind: 'waypoint';
      readonly node: string;
      readonly pod: SubscribedPod;
      /** `namespace/name` of its Gateway. */
      readonly gateway: string;
    };

/** Resource types a subscriber may read. */
export type Scope = ReadonlySet<string>;

const NODE_AGENT_SCOPE: Scope = new Set([ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL, RANGES_TYPE_URL]);
const WAYPOINT_SCOPE: Scope = new Set([
  ADDRESS_TYPE_URL,
  BACKEND_TYPE_URL,
  POLICY_SET_TYPE_URL,
  SERVICE_ROUTES_TYPE_URL,
  SESSION_KEYS_TYPE_URL,
]);

/**
 * What a subscriber is allowed to see. A node agent decides for callers and destinations of the whole mesh, so it sees all
 * addresses and policies; none of them holds a secret. A waypoint may send to any service, so it sees all addresses, how
 * connections to them are secured and who may send to them, and of the rest what is for it (`resourceFor`).
 */
export function decideScope(subscriber: SubscriberIdentity): Scope {
  switch (subscriber.kind) {
    case 'node-agent':
      return NODE_AGENT_SCOPE;
    case 'waypoint':
      return WAYPOINT_SCOPE;
  }
}

/** What tells subscribers apart: one process has one name, whatever streams it opens. */
export function subscriberName(subscriber: SubscriberIdentity): string {
  if (subscriber.kind === 'node-agent') return subscriber.node;
  const { namespace, name } = subscriber.pod;
  return `waypoint ${namespace}/${name}`;
}
