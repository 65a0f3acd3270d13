import {
  AMBIT_DOMAIN,
  type BackendRef,
  type HttpRoute,
  parseServiceVersion,
  SERVICE_VERSION_KIND,
} from '@ambit/mesh/kinds';
import { type MeshView, type Service, serviceKey } from '@ambit/mesh/model';
import {
  type AttachedHttpRoute,
  compileHttpRoutes,
  type RouteBackend,
  type RouteRule,
  type HttpMatch,
  type RouteTable,
  type RuleFilters,
} from '@ambit/mesh/routes';

/** The routes that are attached to one port of a service, ready to be matched; null when there are none. */
export function tableOf(
  routes: readonly HttpRoute[],
  view: MeshView,
  service: Service,
  port: number,
): RouteTable<RouteBackend> | null {
  const attached = routes.filter(({ parents }) =>
    parents.some(
      (parent) =>
        parent.kind === 'Service' &&
        parent.namespace === service.namespace &&
        parent.name === service.name &&
        (parent.port === null || parent.port === port),
    ),
  );
  if (attached.length === 0) return null;
  return compileHttpRoutes(attached.map((route) => attach(route, view)));
}

function attach(route: HttpRoute, view: MeshView): AttachedHttpRoute<RouteBackend> {
  const { namespace, name } = route.meta;
  return {
    namespace,
    name,
    createdMs: route.meta.creationTimestampMs,
    // A route of a Service matches whatever host (GAMMA).
    hostnames: [],
    rules: route.rules.map((rule) => resolveRule(rule, view)),
  };
}

function resolveRule(rule: RouteRule<HttpMatch, BackendRef>, view: MeshView): RouteRule<HttpMatch, RouteBackend> {
  return {
    ...rule,
    filters: resolveFilters(rule.filters, view),
    backends: rule.backends.map(({ backend, weight, filters }) => ({
      backend: resolve(backend, view),
      weight,
      filters: resolveFilters(filters, view),
    })),
  };
}

function resolveFilters(filters: RuleFilters<BackendRef>, view: MeshView): RuleFilters<RouteBackend> {
  const mirrors = filters.mirrors.map((mirror) => ({ ...mirror, backend: resolve(mirror.backend, view) }));
  return { ...filters, mirrors };
}

/** What a reference comes to in the view. Whether it may be made has been decided by who sent the routes. */
function resolve(ref: BackendRef, view: MeshView): RouteBackend {
  const isVersion = ref.group === AMBIT_DOMAIN && ref.kind === SERVICE_VERSION_KIND;
  if ((ref.kind !== 'Service' && !isVersion) || ref.port === null) return { kind: 'invalid', reason: 'InvalidKind' };
  const { service: name, version } = (isVersion && parseServiceVersion(ref.name)) || {
    service: ref.name,
    version: null,
  };
  for (const service of view.services()) {
    if (service.namespace === ref.namespace && service.name === name) {
      return { kind: 'service', service: serviceKey(service), port: ref.port, version };
    }
  }
  return { kind: 'invalid', reason: 'BackendNotFound' };
}
