import type { WaypointSurroundings } from '../translate/decide-waypoint-binding.ts';
import { PRESENT, type Reader } from './collection.ts';
import type { ObjectCollections } from './object-collections.ts';

/** What the binding of an object of that namespace depends on beside it: for a derivation, or as it is whenever it is asked. */
export function waypointSurroundings(
  { namespaces, gateways }: Pick<ObjectCollections, 'namespaces' | 'gateways'>,
  namespace: string,
  read: Reader = PRESENT,
): WaypointSurroundings {
  return {
    namespace: read.get(namespaces, `/${namespace}`),
    gateway: (named) => read.get(gateways, `${named.namespace}/${named.name}`),
  };
}
