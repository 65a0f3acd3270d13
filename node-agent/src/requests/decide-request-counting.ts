import type { MeshView, Workload } from '@ambit/mesh/model';
import { type Admission, isWaypointOf, refersTo } from '../proxy/inbound-admission.ts';
import type { OutboundRoute } from '../proxy/outbound-route.ts';

/**
 * Whether this agent counts the requests of an outbound connection. What goes to a waypoint is counted there, with what it made of each
 * request: whoever adds up all reporters of the client's side would count it twice.
 */
export function decideOutboundCounting(view: MeshView, route: OutboundRoute): boolean {
  if (route.kind !== 'double-hbone') return route.kind !== 'waypoint-hbone';
  // The waypoint may be in the other network.
  return route.service === undefined || !isWaypointOf(view, route.service, route.far);
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
  return !isForwarding(view, source, workload);
}

/** Whether `source` is a waypoint of the workload, or of a service that it is part of. */
function isForwarding(view: MeshView, source: Workload, workload: Workload): boolean {
  if (workload.waypoint !== undefined && refersTo(view, workload.waypoint, source)) return true;
  for (const key of workload.services.keys()) {
    const service = view.service(key);
    if (service !== undefined && isWaypointOf(view, service, source)) return true;
  }
  return false;
}
