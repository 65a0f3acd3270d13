import type { WaypointBinding } from '../../translate/decide-waypoint-binding.ts';
import type { UndatedCondition } from '../../status/decide-stored-conditions.ts';

/** Condition of Services that name a waypoint, by themselves or by their namespace. */
export const WAYPOINT_BOUND = 'ambit.dev/WaypointBound';

/** Null for a Service that names none: it has no such condition. */
export function decideWaypointBound(binding: WaypointBinding, readyPods: number): UndatedCondition | null {
  if (binding.kind === 'none') return null;
  const name = `Gateway ${binding.waypoint.namespace}/${binding.waypoint.name}`;
  const no = (reason: string, message: string): UndatedCondition => condition('False', reason, message);
  if (binding.kind === 'not-covered') {
    return no(
      'UnsupportedTrafficType',
      `${name} is not for services (label ambit.dev/waypoint-for): callers pass it by`,
    );
  }
  switch (binding.fault) {
    case 'missing':
      return no('WaypointMissing', `there is no ${name}: callers are refused`);
    case 'wrong-class':
      return no('WrongClass', `${name} is not of class ambit-waypoint: callers are refused`);
    case 'not-allowed':
      return no('AttachmentDenied', `no listener of ${name} allows this namespace: callers are refused`);
    case null:
      if (readyPods === 0) return no('WaypointIsNotReady', `no pod of ${name} is ready: callers are refused`);
      return condition('True', 'WaypointAccepted', `callers go through ${name}`);
  }
}

function condition(status: 'True' | 'False', reason: string, message: string): UndatedCondition {
  return { type: WAYPOINT_BOUND, status, reason, message };
}
