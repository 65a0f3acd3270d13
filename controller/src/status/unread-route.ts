import type { ParentRef } from '@ambit/mesh/kinds';
import type { ObjectCollections } from '../collections/object-collections.ts';
import { waypointSurroundings } from '../collections/waypoint-surroundings.ts';
import { WAYPOINT_BOUND } from '../reconcile/waypoints/decide-waypoint-bound.ts';
import { decideNamespaceWaypoint, decideWaypointBinding } from '../translate/decide-waypoint-binding.ts';
import type { UndatedCondition } from './decide-stored-conditions.ts';

/**
 * What to tell of a route that is accepted at a Service and that no waypoint reads, so that nothing becomes of it: neither the
 * Service nor, for a route of another namespace, that namespace names one. Null when a waypoint does, be it ready or not, when
 * the parent is no Service, and for a waypoint's own Service.
 */
export function unreadRoute(
  { namespace }: { readonly namespace: string },
  ref: ParentRef,
  objects: Pick<ObjectCollections, 'namespaces' | 'gateways' | 'services'>,
): UndatedCondition | null {
  const service = ref.kind === 'Service' ? objects.services.get(`${ref.namespace}/${ref.name}`) : undefined;
  if (service === undefined) return null;
  const around = waypointSurroundings(objects, ref.namespace);
  const binding = decideWaypointBinding({ meta: service.meta, traffic: 'service' }, around);
  if (binding.kind === 'bound' || (binding.kind === 'none' && binding.reason === 'own-waypoint')) return null;
  const isConsumer = namespace !== ref.namespace;
  if (isConsumer && decideNamespaceWaypoint(namespace, waypointSurroundings(objects, namespace)).kind === 'bound')
    return null;
  const callers = isConsumer ? `of namespace ${namespace} ` : '';
  const where = isConsumer ? `it or on Namespace ${namespace}` : 'it or on its Namespace';
  return {
    type: WAYPOINT_BOUND,
    status: 'False',
    reason: 'NoWaypoint',
    message: `nothing becomes of it: callers ${callers}go to Service ${ref.namespace}/${ref.name} past every waypoint; label ambit.dev/waypoint on ${where} names one`,
  };
}
