import type { ServiceKey } from '../model/service.ts';
import type { RouteBackend } from './backend.ts';
import type { AttachedGrpcRoute, AttachedHttpRoute } from './route-table.ts';
import type { WeightedBackend } from './rule.ts';

/** A route that sees connections rather than requests. */
export interface StreamRoute {
  /** `namespace/name` */
  readonly routeKey: string;
  /** Empty: every connection. */
  readonly serverNames: readonly string[];
  readonly backends: readonly WeightedBackend<RouteBackend>[];
}

/** Routes that merge: of one kind and for the same callers; never none. */
export type RouteGroup =
  | { readonly kind: 'http'; readonly routes: readonly AttachedHttpRoute<RouteBackend>[] }
  | { readonly kind: 'grpc'; readonly routes: readonly AttachedGrpcRoute<RouteBackend>[] }
  /** Of several the first, which is the oldest. */
  | { readonly kind: 'stream'; readonly routes: readonly StreamRoute[] };

/** What requests to one port of a Service are routed by; null where nothing is: then they go to the Service itself. */
export interface PortRoutes {
  readonly producer: RouteGroup | null;
  /** Instead of `producer`, by the namespace of the caller. */
  readonly consumers: ReadonlyMap<string, RouteGroup>;
}

/** The routes of one Service by port, as a waypoint is sent them: backends resolved, hostnames left out. */
export interface ServiceRoutes {
  readonly service: ServiceKey;
  readonly ports: ReadonlyMap<number, PortRoutes>;
}

/** Stands in for routes of a Service that cannot be read: where its requests shall go nobody knows, so they go nowhere. */
export interface ClosedRoutes {
  readonly service: ServiceKey;
  readonly ports: 'unknown';
}
