import type { ServedObject } from '../push/encode-resource.ts';
import type { CanaryBinding } from '../translate/decide-canary-waypoint.ts';
import type { WaypointBinding } from '../translate/decide-waypoint-binding.ts';
import { translateBackend } from '../translate/translate-backend.ts';
import type { Collection } from './collection.ts';
import type { CollectionGraph } from './collection-graph.ts';
import type { FrontCollections } from './front-routes.ts';
import type { RouteWorlds } from './route-worlds.ts';

/**
 * What waypoints are told of the routes of each Service and ServiceImport: the one that it is bound to and its canary, or, where it is bound
 * to none, those of the namespaces that have routes of their own to it.
 */
export function deriveRoutes(graph: CollectionGraph, { routes }: FrontCollections): Collection<ServedObject> {
  return graph.derive(
    'routes for waypoints',
    routes,
    ({ routes: found, binding, canary, callers }): ServedObject | null => {
      const gateways = new Set([binding, canary, ...callers.values()].flatMap(gatewayOf));
      return gateways.size === 0 ? null : { kind: 'routes', routes: found, gateways: [...gateways].sort() };
    },
  );
}

/** `namespace/name` of a waypoint that is there. */
function gatewayOf(binding: WaypointBinding | CanaryBinding): readonly string[] {
  const isThere = binding.kind === 'canary' || (binding.kind === 'bound' && binding.fault === null);
  if (!isThere) return [];
  return [`${binding.waypoint.namespace}/${binding.waypoint.name}`];
}

/**
 * How connections to each Service are secured that a BackendTLSPolicy counts for, by whichever address it is reached; every
 * waypoint may have to send there. A Service's are computed anew when it, a policy that names it, or a ConfigMap that such a
 * policy names has changed.
 */
export function deriveBackends(
  graph: CollectionGraph,
  { fronts }: FrontCollections,
  worlds: RouteWorlds,
): Collection<ServedObject> {
  return graph.derive('secured services', fronts, (front, read): ServedObject | null => {
    const backend = translateBackend(front, worlds.readBy(read));
    return backend === null ? null : { kind: 'backend', backend };
  });
}
