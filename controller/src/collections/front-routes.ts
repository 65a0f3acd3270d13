import type { ServiceRoutes } from '@ambit/mesh/routes';
import { decideCallerWaypoints } from '../translate/decide-caller-waypoints.ts';
import { type CanaryBinding, decideCanaryWaypoint } from '../translate/decide-canary-waypoint.ts';
import {
  decideWaypointBinding,
  type WaypointBinding,
  type WaypointSurroundings,
} from '../translate/decide-waypoint-binding.ts';
import { MULTICLUSTER_GROUP, type ServiceFront } from '../translate/service-front.ts';
import { translateServiceRoutes } from '../translate/translate-service-routes.ts';
import type { Collection } from './collection.ts';
import type { CollectionGraph } from './collection-graph.ts';
import type { ObjectCollections } from './object-collections.ts';
import type { RouteWorlds } from './route-worlds.ts';
import { waypointSurroundings } from './waypoint-surroundings.ts';

/** The routes of a Service or ServiceImport, and where they are in force. */
export interface FrontRoutes {
  readonly routes: ServiceRoutes;
  /** The waypoint before it. */
  readonly binding: WaypointBinding;
  /** The one that takes a share of its connections. */
  readonly canary: CanaryBinding;
  /** Where there is none: the waypoints of callers' namespaces that have routes of their own to it, by namespace. */
  readonly callers: ReadonlyMap<string, Extract<WaypointBinding, { readonly kind: 'bound' }>>;
}

/** What callers reach endpoints by, keyed `<kind>/<namespace>/<name>`, and the routes of each, under the same keys. */
export interface FrontCollections {
  readonly fronts: Collection<ServiceFront>;
  readonly routes: Collection<FrontRoutes>;
}

/**
 * A Service's routes are computed anew when it, its namespace, a route that names it, or something that such a route names
 * has changed.
 */
export function deriveFronts(
  graph: CollectionGraph,
  objects: ObjectCollections,
  worlds: RouteWorlds,
): FrontCollections {
  const fronts = graph.union<ServiceFront>('services by every address', [
    graph.rekey<ServiceFront>('Service', objects.services, (key) => `Service/${key}`),
    graph.rekey('ServiceImport', objects.importFronts, (key) => `ServiceImport/${key}`),
  ]);
  const routes = graph.derive('routes of services', fronts, (front, read): FrontRoutes | null => {
    const { namespace, name } = front.meta;
    const kind =
      front.ofClusterSet === true
        ? { group: MULTICLUSTER_GROUP, kind: 'ServiceImport' }
        : { group: '', kind: 'Service' };
    const found = translateServiceRoutes({ ...kind, namespace, name }, worlds.readBy(read));
    if (found === null) return null;
    const around = (home: string): WaypointSurroundings => waypointSurroundings(objects, home, read);
    const binding = decideWaypointBinding({ meta: front.meta, traffic: 'service' }, around(namespace));
    const canary = decideCanaryWaypoint(front.meta, around(namespace));
    const callers = decideCallerWaypoints(binding, found, around);
    return { routes: found, binding, canary, callers };
  });
  return { fronts, routes };
}
