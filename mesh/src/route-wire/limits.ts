import { KIND_LIMITS } from '../kinds/limits.ts';

type RouteWireLimit = 'ports' | 'consumers' | 'routes' | 'faultLength' | 'rootsLength' | 'retryCodes' | 'sessionKeys';

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
  /** Of one Gateway: the one that seals, one to come, one of before. */
  sessionKeys: 3,
};

/** Bounds of one PolicySet; those of its parts are the ones that Ambit's own kinds have. */
export const POLICY_WIRE_LIMITS: Readonly<
  Record<'policies' | 'includes' | 'rules' | 'clauses' | 'matches' | 'headers' | 'values', number>
> = {
  policies: 10_000,
  /** Mesh, namespace, waypoint. */
  includes: 16,
  rules: KIND_LIMITS.rules,
  /** Who, and what. */
  clauses: 2,
  matches: KIND_LIMITS.ruleEntries,
  headers: KIND_LIMITS.ruleHeaders,
  values: KIND_LIMITS.ruleBlocks,
};
