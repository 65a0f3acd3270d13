import { AMBIT_DOMAIN, type BackendRef, parseServiceVersion, SERVICE_VERSION_KIND } from '@ambit/mesh/kinds';
import type { GrpcRoute, HttpRoute } from '@ambit/mesh/kinds';
import type { Service } from '@ambit/mesh/model';
import type {
  AttachedHttpRoute,
  PortRoutes,
  RouteBackend,
  RouteGroup,
  RouteRule,
  RuleFilters,
  ServiceRoutes,
} from '@ambit/mesh/routes';

/** Routes that a file may have. */
export type LocalRoute = HttpRoute | GrpcRoute;

/** A backend of a route that is no service of the file, or no port of it; `field` is its place in the route. */
export interface MissingBackend {
  readonly field: string;
  readonly expected: string;
}

/** What the controller would send of these routes: by service and port, for callers of the service's namespace or the route's. */
export function translateLocalRoutes(
  routes: readonly LocalRoute[],
  services: readonly Service[],
): readonly ServiceRoutes[] {
  return services.flatMap((service) => {
    const ports = service.ports.flatMap(({ servicePort }): readonly (readonly [number, PortRoutes])[] => {
      const here = routes.filter((route) => isAttached(route, service, servicePort));
      if (here.length === 0) return [];
      const byNamespace = Map.groupBy(here, ({ meta }) => meta.namespace);
      const producers = byNamespace.get(service.namespace);
      byNamespace.delete(service.namespace);
      const consumers = new Map([...byNamespace].map(([namespace, own]) => [namespace, groupOf(own, services)]));
      return [[servicePort, { producer: producers === undefined ? null : groupOf(producers, services), consumers }]];
    });
    return ports.length === 0 ? [] : [{ service: service.key, ports: new Map(ports) }];
  });
}

/** Backends of a route that are not in the file: a mistake, since nothing else will come. */
export function missingBackends({ rules }: LocalRoute, services: readonly Service[]): readonly MissingBackend[] {
  const missing: MissingBackend[] = [];
  for (const [index, { backends }] of rules.entries()) {
    for (const [at, { backend }] of backends.entries()) {
      if (resolveBackend(backend, services).kind === 'service') continue;
      const field = `spec.rules[${index}].backendRefs[${at}]`;
      missing.push({ field, expected: 'a Service of $.services, or a version of one, and a port of it' });
    }
  }
  return missing;
}

function isAttached({ parents }: LocalRoute, service: Service, port: number): boolean {
  return parents.some(
    (parent) =>
      parent.kind === 'Service' &&
      parent.namespace === service.namespace &&
      parent.name === service.name &&
      (parent.port === null || parent.port === port),
  );
}

/** Of two kinds at one place GRPCRoutes count (docs/reference/routes.md). */
function groupOf(routes: readonly LocalRoute[], services: readonly Service[]): RouteGroup {
  const grpc = routes.filter((route) => route.kind === 'GRPCRoute');
  if (grpc.length > 0) {
    return {
      kind: 'grpc',
      routes: grpc.map((route) => ({ ...placeOf(route), rules: resolved(route.rules, services) })),
    };
  }
  const http = routes.filter((route) => route.kind === 'HTTPRoute');
  return { kind: 'http', routes: http.map((route) => ({ ...placeOf(route), rules: resolved(route.rules, services) })) };
}

/** A route of a Service matches whatever host (GAMMA). */
function placeOf({ meta }: LocalRoute): Omit<AttachedHttpRoute<RouteBackend>, 'rules'> {
  return { namespace: meta.namespace, name: meta.name, createdMs: meta.creationTimestampMs, hostnames: [] };
}

function resolved<M>(
  rules: readonly RouteRule<M, BackendRef>[],
  services: readonly Service[],
): readonly RouteRule<M, RouteBackend>[] {
  const filtersOf = (filters: RuleFilters<BackendRef>): RuleFilters<RouteBackend> => ({
    ...filters,
    mirrors: filters.mirrors.map((mirror) => ({ ...mirror, backend: resolveBackend(mirror.backend, services) })),
  });
  return rules.map((rule) => ({
    ...rule,
    filters: filtersOf(rule.filters),
    backends: rule.backends.map(({ backend, weight, filters }) => ({
      backend: resolveBackend(backend, services),
      weight,
      filters: filtersOf(filters),
    })),
  }));
}

function resolveBackend(ref: BackendRef, services: readonly Service[]): RouteBackend {
  const isVersion = ref.group === AMBIT_DOMAIN && ref.kind === SERVICE_VERSION_KIND;
  const named = isVersion ? parseServiceVersion(ref.name) : { service: ref.name, version: null };
  if (named === null || (!isVersion && (ref.group !== '' || ref.kind !== 'Service')))
    return { kind: 'invalid', reason: 'InvalidKind' };
  const service = services.find(({ namespace, name }) => namespace === ref.namespace && name === named.service);
  const port = service?.ports.find(({ servicePort }) => servicePort === ref.port)?.servicePort;
  if (service === undefined || port === undefined) return { kind: 'invalid', reason: 'BackendNotFound' };
  return { kind: 'service', service: service.key, port, version: named.version };
}
