import type { MeshView, Service, WaypointRef, Workload } from '@ambit/mesh/model';
import { type Admission, refersTo } from '../proxy/inbound-admission.ts';
import type { OutboundRoute } from '../proxy/outbound-route.ts';

/**
 * Whether this agent counts the requests of an outbound connection. What goes to a waypoint is counted there, with what it made of each
 * request: whoever adds up all reporters of the client's side would count it twice.
 */
export function decideOutboundCounting(view: MeshView, route: OutboundRoute): boolean {
  if (route.kind !== 'double-hbone') return route.kind !== 'waypoint-hbone';
  // The waypoint may be in the other network.
  return route.service === undefined || !isNamed(view, waypointsOfService(route.service), route.far);
}

/**
 * The same of an inbound one: `source` is the workload that connects, if it is known. What a waypoint of `workload` forwards was counted
 * by it, and an application tunnel speaks of other connections within this one.
 */
export function decideInboundCounting(
  view: MeshView,
  source: Workload | undefined,
  { workload, applicationTunnel }: Extract<Admission, { kind: 'allowed' }>,
): boolean {
  if (applicationTunnel !== undefined) return false;
  if (source === undefined) return true;
  return !isNamed(view, waypointsOf(view, workload), source);
}

function isNamed(view: MeshView, waypoints: Iterable<WaypointRef>, workload: Workload): boolean {
  for (const ref of waypoints) if (refersTo(view, ref, workload)) return true;
  return false;
}

/** Of the workload and of every service that it is part of. */
function* waypointsOf(view: MeshView, workload: Workload): Iterable<WaypointRef> {
  if (workload.waypoint !== undefined) yield workload.waypoint;
  for (const key of workload.services.keys()) {
    const service = view.service(key);
    if (service !== undefined) yield* waypointsOfService(service);
  }
}

function* waypointsOfService(service: Service): Iterable<WaypointRef> {
  if (service.waypoint !== undefined) yield service.waypoint;
  for (const { waypoint } of service.weightedWaypoints) yield waypoint;
  yield* service.callerWaypoints?.values() ?? [];
}
