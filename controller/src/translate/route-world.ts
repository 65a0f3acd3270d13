import type {
  BackendTlsPolicy,
  ConfigMap,
  Gateway,
  GrpcRoute,
  HttpRoute,
  KubeService,
  MeshObject,
  ParentRef,
  ReferenceGrant,
  ServiceImport,
  TcpRoute,
  TlsRoute,
} from '@ambit/mesh/kinds';
import type { MeshSettings } from './mesh-settings.ts';

export type AnyRoute = HttpRoute | GrpcRoute | TcpRoute | TlsRoute;

/** What surrounds a route, as far as its attachment and status depend on it. All by name, so that each is a dependency. */
export interface RouteWorld {
  readonly settings: MeshSettings;
  service(namespace: string, name: string): KubeService | undefined;
  serviceImport(namespace: string, name: string): ServiceImport | undefined;
  gateway(namespace: string, name: string): Gateway | undefined;
  configMap(namespace: string, name: string): ConfigMap | undefined;
  /** Those that name the Service or a port of it, in no order. */
  tlsPolicies(namespace: string, service: string): readonly BackendTlsPolicy[];
  /** Whether a policy of the namespace cannot be read, and nobody knows what it names. */
  hasUnreadableTlsPolicy(namespace: string): boolean;
  /** Empty for a namespace that does not exist. */
  namespaceLabels(name: string): ReadonlyMap<string, string>;
  /** Those of the namespace that is referred into. */
  grants(namespace: string): readonly ReferenceGrant[];
  /** Routes of every kind that name this object as a parent. */
  routesOf(parent: ParentName): readonly AnyRoute[];
}

export type ParentName = Pick<ParentRef, 'group' | 'kind' | 'namespace' | 'name'>;

const NO_LABELS: ReadonlyMap<string, string> = new Map();

/** A world of the objects given; the last of a name counts. */
export function createRouteWorld(objects: Iterable<MeshObject>, settings: MeshSettings): RouteWorld {
  const services = new Map<string, KubeService>();
  const imports = new Map<string, ServiceImport>();
  const gateways = new Map<string, Gateway>();
  const configMaps = new Map<string, ConfigMap>();
  const tlsPolicies = new Map<string, BackendTlsPolicy[]>();
  const namespaces = new Map<string, ReadonlyMap<string, string>>();
  const grants = new Map<string, ReferenceGrant[]>();
  const routes = new Map<string, AnyRoute[]>();
  for (const object of objects) {
    const key = `${object.meta.namespace}/${object.meta.name}`;
    if (object.kind === 'Service') services.set(key, object);
    else if (object.kind === 'ServiceImport') imports.set(key, object);
    else if (object.kind === 'Gateway') gateways.set(key, object);
    else if (object.kind === 'ConfigMap') configMaps.set(key, object);
    else if (object.kind === 'BackendTLSPolicy') {
      for (const service of servicesOf(object)) addTo(tlsPolicies, service, object);
    } else if (object.kind === 'Namespace') namespaces.set(object.meta.name, object.meta.labels);
    else if (object.kind === 'ReferenceGrant') addTo(grants, object.meta.namespace, object);
    else if (isRoute(object)) {
      for (const parent of new Set(object.parents.map(parentKey))) addTo(routes, parent, object);
    }
  }
  return {
    settings,
    service: (namespace, name) => services.get(`${namespace}/${name}`),
    serviceImport: (namespace, name) => imports.get(`${namespace}/${name}`),
    gateway: (namespace, name) => gateways.get(`${namespace}/${name}`),
    configMap: (namespace, name) => configMaps.get(`${namespace}/${name}`),
    tlsPolicies: (namespace, service) => tlsPolicies.get(`${namespace}/${service}`) ?? [],
    // Objects are read ones.
    hasUnreadableTlsPolicy: () => false,
    namespaceLabels: (name) => namespaces.get(name) ?? NO_LABELS,
    grants: (namespace) => grants.get(namespace) ?? [],
    routesOf: (parent) => routes.get(parentKey(parent)) ?? [],
  };
}

export function isRoute(object: MeshObject): object is AnyRoute {
  const { kind } = object;
  return kind === 'HTTPRoute' || kind === 'GRPCRoute' || kind === 'TCPRoute' || kind === 'TLSRoute';
}

/** A route none of whose rules is in force takes no place. */
export function isInForce(route: AnyRoute): boolean {
  if (route.kind === 'TCPRoute' || route.kind === 'TLSRoute') return true;
  return route.rules.length === 0 || route.rules.some(({ fault }) => fault === null);
}

/** The older first, then by namespace and name: who is given precedence. */
export function compareAge(a: Pick<MeshObject, 'meta'>, b: Pick<MeshObject, 'meta'>): number {
  const byAge = a.meta.creationTimestampMs - b.meta.creationTimestampMs;
  if (byAge !== 0) return byAge;
  const [left, right] = [a, b].map(({ meta }) => `${meta.namespace}/${meta.name}`);
  if (left === right) return 0;
  return (left ?? '') < (right ?? '') ? -1 : 1;
}

/** The same for whatever refers to the same object. */
export function parentKey({ group, kind, namespace, name }: ParentName): string {
  return `${group}/${kind}/${namespace}/${name}`;
}

/** `namespace/name` of each Service that a policy names. */
export function servicesOf({ meta, targets }: BackendTlsPolicy): ReadonlySet<string> {
  const services = targets.filter(({ group, kind }) => group === '' && kind === 'Service');
  return new Set(services.map(({ name }) => `${meta.namespace}/${name}`));
}

function addTo<V>(lists: Map<string, V[]>, key: string, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
