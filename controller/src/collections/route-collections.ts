import type { KubeService } from '@ambit/mesh/kinds';
import type { ServedObject } from '../push/encode-resource.ts';
import { decideWaypointBinding } from '../translate/decide-waypoint-binding.ts';
import { translateBackend } from '../translate/translate-backend.ts';
import { translateServiceRoutes } from '../translate/translate-service-routes.ts';
import type { Collection } from './collection.ts';
import type { CollectionGraph } from './collection-graph.ts';
import type { ObjectCollections } from './object-collections.ts';
import type { RouteWorlds } from './route-worlds.ts';

/**
 * What waypoints are told of the routes of each Service that is bound to one. A Service's are computed anew when it, its
 * namespace, a route that names it, or something that such a route names has changed.
 */
export function deriveRoutes(
  graph: CollectionGraph,
  objects: ObjectCollections,
  worlds: RouteWorlds,
): Collection<ServedObject> {
  return graph.derive('routes of services', objects.services, (service: KubeService, read): ServedObject | null => {
    const { namespace, name } = service.meta;
    const binding = decideWaypointBinding(
      { meta: service.meta, traffic: 'service' },
      {
        namespace: read.get(objects.namespaces, `/${namespace}`),
        gateway: (named) => read.get(objects.gateways, `${named.namespace}/${named.name}`),
      },
    );
    if (binding.kind !== 'bound' || binding.fault !== null) return null;
    const routes = translateServiceRoutes({ group: '', kind: 'Service', namespace, name }, worlds.readBy(read));
    if (routes === null) return null;
    const { waypoint } = binding;
    return { kind: 'routes', routes, gateway: `${waypoint.namespace}/${waypoint.name}` };
  });
}

/**
 * How connections to each Service are secured that a BackendTLSPolicy counts for; every waypoint may have to send there. A
 * Service's are computed anew when it, a policy that names it, or a ConfigMap that such a policy names has changed.
 */
export function deriveBackends(
  graph: CollectionGraph,
  objects: ObjectCollections,
  worlds: RouteWorlds,
): Collection<ServedObject> {
  return graph.derive('secured services', objects.services, (service: KubeService, read): ServedObject | null => {
    const backend = translateBackend(service, worlds.readBy(read));
    return backend === null ? null : { kind: 'backend', backend };
  });
}
