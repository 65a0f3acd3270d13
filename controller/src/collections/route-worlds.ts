import type { BackendTlsPolicy, ReferenceGrant } from '@ambit/mesh/kinds';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import { type AnyRoute, parentKey, type RouteWorld, servicesOf } from '../translate/route-world.ts';
import { type Index, PRESENT, type Reader } from './collection.ts';
import type { CollectionGraph, SourceCollection } from './collection-graph.ts';
import type { ObjectCollections } from './object-collections.ts';

const NO_LABELS: ReadonlyMap<string, string> = new Map();

/** The world of routes as derivations see it: each look at it is a dependency. */
export class RouteWorlds {
  /** Namespaces of policies that cannot be read, by whatever tells these apart. */
  readonly unreadableTlsPolicies: SourceCollection<string>;
  readonly #objects: ObjectCollections;
  readonly #settings: MeshSettings;
  readonly #routesByParent: Index<AnyRoute>;
  readonly #grantsByNamespace: Index<ReferenceGrant>;
  readonly #tlsPoliciesByService: Index<BackendTlsPolicy>;
  readonly #unreadableByNamespace: Index<string>;

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
    this.#tlsPoliciesByService = objects.backendTlsPolicies.index(servicesOf);
    this.unreadableTlsPolicies = graph.source('TLS policies that cannot be read');
    this.#unreadableByNamespace = this.unreadableTlsPolicies.index((namespace) => [namespace]);
  }

  /** As it is whenever it is asked; nothing depends on it. */
  get present(): RouteWorld {
    return this.readBy(PRESENT);
  }

  readBy(read: Reader): RouteWorld {
    const { services, serviceImports, gateways, namespaces, configMaps } = this.#objects;
    return {
      settings: this.#settings,
      service: (namespace, name) => read.get(services, `${namespace}/${name}`),
      serviceImport: (namespace, name) => read.get(serviceImports, `${namespace}/${name}`),
      gateway: (namespace, name) => read.get(gateways, `${namespace}/${name}`),
      configMap: (namespace, name) => read.get(configMaps, `${namespace}/${name}`),
      tlsPolicies: (namespace, service) => read.lookup(this.#tlsPoliciesByService, `${namespace}/${service}`),
      hasUnreadableTlsPolicy: (namespace) => read.lookup(this.#unreadableByNamespace, namespace).length > 0,
      namespaceLabels: (name) => read.get(namespaces, `/${name}`)?.meta.labels ?? NO_LABELS,
      grants: (namespace) => read.lookup(this.#grantsByNamespace, namespace),
      routesOf: (parent) => read.lookup(this.#routesByParent, parentKey(parent)),
    };
  }
}
