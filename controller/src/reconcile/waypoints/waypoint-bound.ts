import type { KubeService } from '@ambit/mesh/kinds';
import type { ObjectCollections } from '../../collections/object-collections.ts';
import { waypointSurroundings } from '../../collections/waypoint-surroundings.ts';
import type { UndatedCondition } from '../../status/decide-stored-conditions.ts';
import { decideCanaryWaypoint } from '../../translate/decide-canary-waypoint.ts';
import { decideWaypointBinding } from '../../translate/decide-waypoint-binding.ts';
import { decideWaypointBound } from './decide-waypoint-bound.ts';
import type { WaypointPods } from './waypoint-pods.ts';

/** Condition `ambit.dev/WaypointBound` of a Service among the objects as they are now; null where it has none. */
export function waypointBoundOf(
  { meta }: KubeService,
  objects: ObjectCollections,
  pods: Pick<WaypointPods, 'of'>,
): UndatedCondition | null {
  const around = waypointSurroundings(objects, meta.namespace);
  const binding = decideWaypointBinding({ meta, traffic: 'service' }, around);
  const canary = decideCanaryWaypoint(meta, around);
  return decideWaypointBound(binding, canary, {
    waypoint: binding.kind === 'bound' ? pods.of(binding.waypoint).readyPods : 0,
    canary: canary.kind === 'canary' ? pods.of(canary.waypoint).readyPods : 0,
  });
}
