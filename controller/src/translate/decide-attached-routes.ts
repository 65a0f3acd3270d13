import { attachRoute } from './attach-route.ts';
import type { AnyRoute, RouteWorld } from './route-world.ts';

/** How many routes are attached to each listener: by `namespace/name` of the Gateway, then by the listener's name. */
export function decideAttachedRoutes(
  routes: Iterable<AnyRoute>,
  world: RouteWorld,
): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const counts = new Map<string, Map<string, number>>();
  for (const route of routes) {
    const counted = new Set<string>();
    for (const ref of route.parents) {
      const attachment = attachRoute(route, ref, world);
      if (attachment.kind !== 'attached') continue;
      for (const spot of attachment.spots) {
        if (spot.kind !== 'listener') continue;
        // A route may name a listener twice, by its name and by its port.
        const place = `${spot.gateway} ${spot.listener}`;
        if (counted.has(place)) continue;
        counted.add(place);
        const listeners = counts.get(spot.gateway) ?? new Map<string, number>();
        counts.set(spot.gateway, listeners.set(spot.listener, (listeners.get(spot.listener) ?? 0) + 1));
      }
    }
  }
  return counts;
}
