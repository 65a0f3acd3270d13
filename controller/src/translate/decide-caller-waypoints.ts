import type { ServiceRoutes } from '@ambit/mesh/routes';
import { LIMITS } from '@ambit/mesh/wire';
import { decideNamespaceWaypoint, type WaypointBinding, type WaypointSurroundings } from './decide-waypoint-binding.ts';

type Bound = Extract<WaypointBinding, { readonly kind: 'bound' }>;

/** Those beyond are left out, as agents would refuse the whole service. */
const CALLERS_MAX = LIMITS.callerWaypointsPerService;

/**
 * Where consumers' routes to a service count that no waypoint stands before: at the waypoint of the caller's namespace, as its
 * label says; by namespace. One that is bound and faulty is among them: callers are refused rather than their routes passed by.
 */
export function decideCallerWaypoints(
  binding: WaypointBinding,
  { ports }: ServiceRoutes,
  around: (namespace: string) => WaypointSurroundings,
): ReadonlyMap<string, Bound> {
  // A waypoint's own Service is reached by agents themselves, and never through another waypoint.
  if (binding.kind === 'bound' || (binding.kind === 'none' && binding.reason === 'own-waypoint')) return new Map();
  const namespaces = new Set([...ports.values()].flatMap(({ consumers }) => [...consumers.keys()]));
  const bound = [...namespaces].sort().flatMap((namespace): readonly (readonly [string, Bound])[] => {
    const waypoint = decideNamespaceWaypoint(namespace, around(namespace));
    return waypoint.kind === 'bound' ? [[namespace, waypoint]] : [];
  });
  return new Map(bound.slice(0, CALLERS_MAX));
}
