import type { ServedObject } from '../push/encode-resource.ts';
import { decideWaypointBinding } from '../translate/decide-waypoint-binding.ts';
import { MULTICLUSTER_GROUP, type ServiceFront } from '../translate/service-front.ts';
import { translateBackend } from '../translate/translate-backend.ts';
import { translateServiceRoutes } from '../translate/translate-service-routes.ts';
import type { Collection, Reader } from './collection.ts';
import type { CollectionGraph } from './collection-graph.ts';
import type { ObjectCollections } from './object-collections.ts';
import type { RouteWorlds } from './route-worlds.ts';

/**
 * What waypoints are told of the routes of each Service and ServiceImport that is bound to one. A Service's are computed anew
 * when it, its namespace, a route that names it, or something that such a route names has changed.
 */
export function deriveRoutes(
  graph: CollectionGraph,
  objects: ObjectCollections,
  worlds: RouteWorlds,
): Collection<ServedObject> {
  const routesOf = (front: ServiceFront, read: Reader): ServedObject | null => {
    const { namespace, name } = front.meta;
    const binding = decideWaypointBinding(
      { meta: front.meta, traffic: 'service' },
      {
        namespace: read.get(objects.namespaces, `/${namespace}`),
        gateway: (named) => read.get(objects.gateways, `${named.namespace}/${named.name}`),
      },
    );
    if (binding.kind !== 'bound' || binding.fault !== null) return null;
    const kind = front.ofClusterSet
      ? { group: MULTICLUSTER_GROUP, kind: 'ServiceImport' }
      : { group: '', kind: 'Service' };
    const routes = translateServiceRoutes({ ...kind, namespace, name }, worlds.readBy(read));
    if (routes === null) return null;
    const { waypoint } = binding;
    return { kind: 'routes', routes, gateway: `${waypoint.namespace}/${waypoint.name}` };
  };
  return ofFronts(graph, objects, 'routes', routesOf);
}

/**
 * How connections to each Service are secured that a BackendTLSPolicy counts for, by whichever address it is reached; every
 * waypoint may have to send there. A Service's are computed anew when it, a policy that names it, or a ConfigMap that such a
 * policy names has changed.
 */
export function deriveBackends(
  graph: CollectionGraph,
  objects: ObjectCollections,
  worlds: RouteWorlds,
): Collection<ServedObject> {
  return ofFronts(graph, objects, 'secured ports', (front, read): ServedObject | null => {
    const backend = translateBackend(front, worlds.readBy(read));
    return backend === null ? null : { kind: 'backend', backend };
  });
}

function ofFronts(
  graph: CollectionGraph,
  objects: ObjectCollections,
  what: string,
  derive: (front: ServiceFront, read: Reader) => ServedObject | null,
): Collection<ServedObject> {
  const services = graph.derive<ServiceFront, ServedObject>(`${what} of services`, objects.services, derive);
  const imports = graph.derive(`${what} of imported services`, objects.importFronts, derive);
  const named = graph.rekey(`${what} of imports`, imports, (key) => `import ${key}`);
  return graph.union(what, [services, named]);
}
