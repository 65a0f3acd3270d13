import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL, RANGES_TYPE_URL } from '@ambit/mesh/wire';

/** Who reads from the controller. */
export interface SubscriberIdentity {
  /** `node-agent` is the only kind there is until waypoints come. */
  readonly kind: 'node-agent';
  /** Name of the node, as its certificate or its token says. */
  readonly node: string;
  /** The agent's pod, where it is one. */
  readonly pod?: { readonly namespace: string; readonly name: string; readonly uid: string };
}

/** Resource types a subscriber may read. */
export type Scope = ReadonlySet<string>;

const NODE_AGENT_SCOPE: Scope = new Set([ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL, RANGES_TYPE_URL]);

/**
 * What a subscriber is allowed to see. A node agent decides for callers and destinations of the whole mesh, so it sees all
 * addresses and policies; none of them holds a secret.
 */
export function decideScope(subscriber: SubscriberIdentity): Scope {
  switch (subscriber.kind) {
    case 'node-agent':
      return NODE_AGENT_SCOPE;
  }
}
