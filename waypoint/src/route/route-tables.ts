import type { ServiceKey } from '@ambit/mesh/model';
import {
  asksForServerName,
  type ClosedRoutes,
  compileGrpcRoutes,
  compileHttpRoutes,
  type PortRoutes,
  type RouteBackend,
  type RouteGroup,
  type RouteTable,
  type ServiceRoutes,
  type StreamRoute,
} from '@ambit/mesh/routes';

/** Routes that come or go, by service; what is put replaces what there was. Plain data, it crosses a thread boundary. */
export interface RouteChanges {
  readonly put: readonly (ServiceRoutes | ClosedRoutes)[];
  readonly removed: readonly ServiceKey[];
}

/** What the routes of one group come to. */
export type CompiledGroup =
  | { readonly kind: 'requests'; readonly table: RouteTable<RouteBackend> }
  | { readonly kind: 'connections'; readonly routes: readonly StreamRoute[]; readonly asksForServerName: boolean };

/**
 * The routes of all services, each group compiled when it is first asked for and kept until the routes of its service are
 * others: what else changes in the mesh costs nothing here.
 */
export class RouteTables {
  readonly #services = new Map<ServiceKey, ServiceRoutes | ClosedRoutes>();
  #compiled = new WeakMap<RouteGroup, CompiledGroup>();

  /** Takes effect for whoever asks next, as a whole. */
  apply({ put, removed }: RouteChanges): void {
    for (const service of removed) this.#services.delete(service);
    for (const routes of put) this.#services.set(routes.service, routes);
  }

  /** What callers of a namespace are routed by at a port; null where the service's requests go as they come. */
  of(service: ServiceKey, port: number, callerNamespace: string): CompiledGroup | null {
    const ports = this.#services.get(service)?.ports;
    if (ports === 'unknown') return CLOSED;
    const routes = ports?.get(port);
    const group = routes === undefined ? null : groupFor(routes, callerNamespace);
    if (group === null) return null;
    let compiled = this.#compiled.get(group);
    if (compiled === undefined) {
      compiled = compile(group);
      this.#compiled.set(group, compiled);
    }
    return compiled;
  }

  /** Namespaces whose callers have routes of their own at a port. */
  isConsumer(service: ServiceKey, port: number, namespace: string): boolean {
    const ports = this.#services.get(service)?.ports;
    return ports !== undefined && ports !== 'unknown' && ports.get(port)?.consumers.has(namespace) === true;
  }

  entries(): Iterable<ServiceRoutes | ClosedRoutes> {
    return this.#services.values();
  }
}

/** A route that leads nowhere: connections are refused, and so are the requests of those that there are. */
const CLOSED: CompiledGroup = {
  kind: 'connections',
  routes: [{ routeKey: '', serverNames: [], backends: [] }],
  asksForServerName: false,
};

/** A consumer's routes count instead of the producer's. */
function groupFor({ producer, consumers }: PortRoutes, callerNamespace: string): RouteGroup | null {
  return consumers.get(callerNamespace) ?? producer;
}

function compile(group: RouteGroup): CompiledGroup {
  switch (group.kind) {
    case 'http':
      return { kind: 'requests', table: compileHttpRoutes(group.routes) };
    case 'grpc':
      return { kind: 'requests', table: compileGrpcRoutes(group.routes) };
    case 'stream': {
      const { routes } = group;
      return { kind: 'connections', routes, asksForServerName: asksForServerName(routes) };
    }
  }
}
