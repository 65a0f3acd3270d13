type RouteWireLimit = 'ports' | 'consumers' | 'routes' | 'faultLength' | 'rootsLength' | 'retryCodes';

/** Bounds of one ServiceRoutes or Backend, beside those that Gateway API has for a route (`kinds/route-limits.ts`). */
export const ROUTE_WIRE_LIMITS: Readonly<Record<RouteWireLimit, number>> = {
  /** As many as a Service may have. */
  ports: 4096,
  /** Namespaces with routes of their own for one port. */
  consumers: 10_000,
  /** Of one group; a waypoint is measured with 5,000. */
  routes: 20_000,
  /** A fault's message is for logs; longer ones are cut when they are sent. */
  faultLength: 1024,
  /** Of one Backend, all roots of one policy together: the public ones of a browser are a quarter of it. */
  rootsLength: 1024 * 1024,
  /** Statuses from 400 to 599. */
  retryCodes: 200,
};
