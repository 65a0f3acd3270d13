import type { KubeService, ReferenceGrant } from '@ambit/mesh/kinds';
import type { ServedObject } from '../push/encode-resource.ts';
import { decideWaypointBinding } from '../translate/decide-waypoint-binding.ts';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import { type AnyRoute, parentKey, type RouteWorld } from '../translate/route-world.ts';
import { translateServiceRoutes } from '../translate/translate-service-routes.ts';
import type { Collection, Index, Reader } from './collection.ts';
import type { CollectionGraph } from './collection-graph.ts';
import type { ObjectCollections } from './object-collections.ts';

const NO_LABELS: ReadonlyMap<string, string> = new Map();

/**
 * What waypoints are told of the routes of each Service that is bound to one. A Service's are computed anew when it, its
 * namespace, a route that names it, or something that such a route names has changed.
 */
export function deriveRoutes(
  graph: CollectionGraph,
  objects: ObjectCollections,
  settings: MeshSettings,
): Collection<ServedObject> {
  const worlds = new RouteWorlds(graph, objects, settings);
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

/** The world of routes as derivations see it: each look at it is a dependency. */
class RouteWorlds {
  readonly #objects: ObjectCollections;
  readonly #settings: MeshSettings;
  readonly #routesByParent: Index<AnyRoute>;
  readonly #grantsByNamespace: Index<ReferenceGrant>;

  constructor(graph: CollectionGraph, objects: ObjectCollections, settings: MeshSettings) {
    this.#objects = objects;
    this.#settings = settings;
    const { httpRoutes, grpcRoutes, tcpRoutes, tlsRoutes } = objects;
    const routes = graph.union<AnyRoute>(
      'routes',
      Object.entries({ httpRoutes, grpcRoutes, tcpRoutes, tlsRoutes }).map(([kind, collection]) =>
        graph.rekey<AnyRoute>(kind, collection, (key) => `${kind}/${key}`),
      ),
    );
    this.#routesByParent = routes.index(({ parents }) => new Set(parents.map(parentKey)));
    this.#grantsByNamespace = objects.referenceGrants.index(({ meta }) => [meta.namespace]);
  }

  readBy(read: Reader): RouteWorld {
    const { services, serviceImports, gateways, namespaces } = this.#objects;
    return {
      settings: this.#settings,
      service: (namespace, name) => read.get(services, `${namespace}/${name}`),
      serviceImport: (namespace, name) => read.get(serviceImports, `${namespace}/${name}`),
      gateway: (namespace, name) => read.get(gateways, `${namespace}/${name}`),
      namespaceLabels: (name) => read.get(namespaces, `/${name}`)?.meta.labels ?? NO_LABELS,
      grants: (namespace) => read.lookup(this.#grantsByNamespace, namespace),
      routesOf: (parent) => read.lookup(this.#routesByParent, parentKey(parent)),
    };
  }
}
