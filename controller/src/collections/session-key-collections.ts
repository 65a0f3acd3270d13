import { WAYPOINT_CLASS } from '@ambit/mesh/kinds';
import { deriveSessionKey } from '@ambit/mesh/routes';
import type { ServedObject } from '../push/encode-resource.ts';
import type { Collection } from './collection.ts';
import type { CollectionGraph } from './collection-graph.ts';
import type { ObjectCollections } from './object-collections.ts';

/** What keys of sessions come from: of the first one the key that seals. */
export type SessionSecrets = readonly Uint8Array[];

/** What each waypoint's Gateway has sessions sealed with, by keys of its own; none while there is no secret. `secrets` has one value. */
export function deriveSessionKeys(
  graph: CollectionGraph,
  { gateways }: Pick<ObjectCollections, 'gateways'>,
  secrets: Collection<SessionSecrets>,
): Collection<ServedObject> {
  return graph.derive('session keys of gateways', gateways, ({ className }, read, gateway): ServedObject | null => {
    if (className !== WAYPOINT_CLASS) return null;
    const all = read.get(secrets, '');
    if (all === undefined) return null;
    return { kind: 'session-keys', keys: { gateway, keys: all.map((secret) => deriveSessionKey(secret, gateway)) } };
  });
}
