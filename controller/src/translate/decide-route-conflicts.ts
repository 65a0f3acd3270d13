import type { ParentRef } from '@ambit/mesh/kinds';
import { type Attachment, attachRoute, type RouteRole, type Spot } from './attach-route.ts';
import { hostnamesMeet } from './intersect-hostnames.ts';
import { type AnyRoute, compareAge, isInForce, parentKey, type RouteWorld } from './route-world.ts';

type Attached = Extract<Attachment, { readonly kind: 'attached' }>;

/** Of kinds at one port of a Service the first counts (GEP-1294). */
const KIND_ORDER: readonly AnyRoute['kind'][] = ['GRPCRoute', 'HTTPRoute', 'TLSRoute', 'TCPRoute'];

/** An attachment without the spots that another route takes, and who takes them. */
export interface Conflicts {
  readonly spots: readonly Spot[];
  /** In words; empty when nobody does. */
  readonly lostTo: readonly string[];
}

/**
 * Routes of several kinds do not mix at one place: at a port of a Service the more specific kind counts, of those for the same
 * callers; at a Gateway's listener, of HTTPRoute and GRPCRoute whose hostnames meet, the older.
 */
export function decideRouteConflicts(
  route: AnyRoute,
  ref: ParentRef,
  attached: Attached,
  world: RouteWorld,
): Conflicts {
  const rivals = world.routesOf(ref).filter((other) => other.kind !== route.kind && isInForce(other));
  const lostTo = new Set<string>();
  const key = parentKey(ref);
  const spots = attached.spots.filter((spot) => {
    const winner = rivals.find((rival) =>
      rival.parents.some((parent) => {
        if (parentKey(parent) !== key) return false;
        const theirs = attachRoute(rival, parent, world);
        return (
          theirs.kind === 'attached' &&
          sameCallers(attached.role, theirs.role) &&
          theirs.spots.some((other) => losesTo(route, spot, rival, other))
        );
      }),
    );
    if (winner !== undefined) lostTo.add(`${winner.kind} ${winner.meta.namespace}/${winner.meta.name}`);
    return winner === undefined;
  });
  return { spots, lostTo: [...lostTo] };
}

function sameCallers(a: RouteRole, b: RouteRole): boolean {
  if (a.kind === 'consumer' && b.kind === 'consumer') return a.namespace === b.namespace;
  return a.kind === b.kind;
}

function losesTo(route: AnyRoute, spot: Spot, rival: AnyRoute, other: Spot): boolean {
  if (spot.kind === 'service') {
    return (
      other.kind === 'service' &&
      other.port === spot.port &&
      KIND_ORDER.indexOf(rival.kind) < KIND_ORDER.indexOf(route.kind)
    );
  }
  if (other.kind !== 'listener' || other.listener !== spot.listener) return false;
  const areHttp = [route, rival].every(({ kind }) => kind === 'HTTPRoute' || kind === 'GRPCRoute');
  return areHttp && hostnamesMeet(spot.hostnames, other.hostnames) && compareAge(rival, route) < 0;
}
