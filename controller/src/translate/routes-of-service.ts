import type { BackendRef } from '@ambit/mesh/kinds';
import type {
  AttachedHttpRoute,
  PortRoutes,
  RouteBackend,
  RouteGroup,
  RouteRule,
  RuleFilters,
  WeightedBackend,
} from '@ambit/mesh/routes';
import { attachRoute, type RouteRole } from './attach-route.ts';
import { decideRouteConflicts } from './decide-route-conflicts.ts';
import { resolveBackend } from './resolve-backend.ts';
import { type AnyRoute, compareAge, isInForce, parentKey, type ParentName, type RouteWorld } from './route-world.ts';

/** The routes of a Service or ServiceImport by port, backends resolved; ports without any are left out. */
export function routesOfService(parent: ParentName, world: RouteWorld): ReadonlyMap<number, PortRoutes> {
  const placed = placeRoutes(parent, world);
  const ports = [...Map.groupBy(placed, ({ port }) => port)].sort(([a], [b]) => a - b);
  return new Map(
    ports.map(([port, onPort]): readonly [number, PortRoutes] => {
      const producers = onPort.filter(({ role }) => role.kind === 'producer').map(({ route }) => route);
      const consuming = Map.groupBy(onPort, ({ role }) => (role.kind === 'consumer' ? role.namespace : ''));
      consuming.delete('');
      const consumers = [...consuming].sort(([a], [b]) => (a < b ? -1 : 1));
      return [
        port,
        {
          producer: groupOf(producers, world),
          consumers: new Map(
            consumers.flatMap(([namespace, routes]) => {
              const group = groupOf(
                routes.map(({ route }) => route),
                world,
              );
              return group === null ? [] : [[namespace, group] as const];
            }),
          ),
        },
      ];
    }),
  );
}

interface PlacedRoute {
  readonly route: AnyRoute;
  readonly role: RouteRole;
  readonly port: number;
}

/** In order of precedence; each once per port. */
function placeRoutes(parent: ParentName, world: RouteWorld): readonly PlacedRoute[] {
  const key = parentKey(parent);
  return world
    .routesOf(parent)
    .toSorted(compareAge)
    .flatMap((route): readonly PlacedRoute[] => {
      if (!isInForce(route)) return [];
      const refs = route.parents.filter((ref) => parentKey(ref) === key);
      return refs.flatMap((ref) => {
        const attachment = attachRoute(route, ref, world);
        if (attachment.kind !== 'attached') return [];
        const { spots } = decideRouteConflicts(route, ref, attachment, world);
        return spots.map(({ port }) => ({ route, role: attachment.role, port }));
      });
    });
}

/** Conflicts have left routes of one kind. */
function groupOf(routes: readonly AnyRoute[], world: RouteWorld): RouteGroup | null {
  const http = routes.filter((route) => route.kind === 'HTTPRoute');
  if (http.length > 0) {
    return {
      kind: 'http',
      routes: http.map((route) => ({ ...placeOf(route), rules: resolved(route, route.rules, world) })),
    };
  }
  const grpc = routes.filter((route) => route.kind === 'GRPCRoute');
  if (grpc.length > 0) {
    return {
      kind: 'grpc',
      routes: grpc.map((route) => ({ ...placeOf(route), rules: resolved(route, route.rules, world) })),
    };
  }
  const streams = routes.flatMap((route) => {
    if (route.kind !== 'TCPRoute' && route.kind !== 'TLSRoute') return [];
    const routeKey = `${route.meta.namespace}/${route.meta.name}`;
    const serverNames = route.kind === 'TLSRoute' ? route.hostnames : [];
    return [
      { routeKey, serverNames, backends: route.rule.backends.map((entry) => resolvedBackend(route, entry, world)) },
    ];
  });
  return streams.length === 0 ? null : { kind: 'stream', routes: streams };
}

/** The hostnames of a route say nothing to a Service (GEP-1294): who calls it has chosen it already. */
function placeOf({ meta }: AnyRoute): Omit<AttachedHttpRoute<RouteBackend>, 'rules'> {
  return { namespace: meta.namespace, name: meta.name, createdMs: meta.creationTimestampMs, hostnames: [] };
}

function resolved<M>(
  route: AnyRoute,
  rules: readonly RouteRule<M, BackendRef>[],
  world: RouteWorld,
): readonly RouteRule<M, RouteBackend>[] {
  return rules.map((rule) => ({
    ...rule,
    filters: resolvedFilters(route, rule.filters, world),
    backends: rule.backends.map((entry) => resolvedBackend(route, entry, world)),
  }));
}

function resolvedBackend(
  route: AnyRoute,
  { backend, weight, filters }: WeightedBackend<BackendRef>,
  world: RouteWorld,
): WeightedBackend<RouteBackend> {
  return {
    backend: resolveBackend(route, backend, false, world).backend,
    weight,
    filters: resolvedFilters(route, filters, world),
  };
}

/** A mirror that goes nowhere is left out, as Gateway API asks. */
function resolvedFilters(
  route: AnyRoute,
  filters: RuleFilters<BackendRef>,
  world: RouteWorld,
): RuleFilters<RouteBackend> {
  const mirrors = filters.mirrors.flatMap((mirror) => {
    const { backend } = resolveBackend(route, mirror.backend, false, world);
    return backend.kind === 'invalid' ? [] : [{ ...mirror, backend }];
  });
  return { ...filters, mirrors };
}
