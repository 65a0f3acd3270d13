import { WAYPOINT_CANARY_WEIGHT_ANNOTATION } from '@ambit/mesh/kinds';
import type { CanaryBinding, CanaryFault } from '../../translate/decide-canary-waypoint.ts';
import type { WaypointBinding, WaypointName } from '../../translate/decide-waypoint-binding.ts';
import type { UndatedCondition } from '../../status/decide-stored-conditions.ts';

/** Condition of Services that name a waypoint, by themselves or by their namespace. */
export const WAYPOINT_BOUND = 'ambit.dev/WaypointBound';

/** Reason of a condition, and of an event. */
export type CanaryCode =
  | 'CanaryMissing'
  | 'CanaryWrongClass'
  | 'CanaryAttachmentDenied'
  | 'CanaryUnsupportedTrafficType'
  | 'CanarySameAsPrimary'
  | 'CanaryWithoutWaypoint'
  | 'CanaryInvalidWeight';

const CODES: Readonly<Record<CanaryFault, CanaryCode>> = {
  missing: 'CanaryMissing',
  'wrong-class': 'CanaryWrongClass',
  'not-allowed': 'CanaryAttachmentDenied',
  'not-covered': 'CanaryUnsupportedTrafficType',
  'same-as-primary': 'CanarySameAsPrimary',
  'no-primary': 'CanaryWithoutWaypoint',
};

const WHYS: Readonly<Record<CanaryFault, string>> = {
  missing: 'is not there',
  'wrong-class': 'is not of class ambit-waypoint',
  'not-allowed': 'has no listener that allows this namespace',
  'not-covered': 'is not for services (label ambit.dev/waypoint-for)',
  'same-as-primary': 'is the waypoint itself',
  'no-primary': 'is one of no waypoint (label ambit.dev/waypoint)',
};

/** What a canary lacks; null for one that takes its share. */
export function canaryFault(canary: CanaryBinding): { readonly code: CanaryCode; readonly text: string } | null {
  if (canary.kind === 'none' || canary.fault === null) return null;
  const name = `canary ${gatewayText(canary.waypoint)}`;
  if (canary.kind === 'unused') {
    return { code: CODES[canary.fault], text: `${name} ${WHYS[canary.fault]}: it takes no connections` };
  }
  const text = `annotation ${WAYPOINT_CANARY_WEIGHT_ANNOTATION} must be a whole number from 0 to 100: ${name} takes no connections`;
  return { code: 'CanaryInvalidWeight', text };
}

/** Pods that are ready, of each. */
export interface ReadyPods {
  readonly waypoint: number;
  readonly canary: number;
}

/** Null for a Service that names none: it has no such condition. */
export function decideWaypointBound(
  binding: WaypointBinding,
  canary: CanaryBinding,
  ready: ReadyPods,
): UndatedCondition | null {
  const no = (reason: string, message: string): UndatedCondition => condition('False', reason, message);
  const lacks = canaryFault(canary);
  if (binding.kind === 'none') return lacks === null ? null : no(lacks.code, lacks.text);
  const name = gatewayText(binding.waypoint);
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
      if (ready.waypoint === 0) return no('WaypointIsNotReady', `no pod of ${name} is ready: callers are refused`);
      if (lacks !== null) return no(lacks.code, `callers go through ${name}; ${lacks.text}`);
      return canary.kind === 'canary'
        ? withCanary(name, canary, ready)
        : condition('True', 'WaypointAccepted', `callers go through ${name}`);
  }
}

function withCanary(
  name: string,
  { waypoint, weight }: CanaryBinding & { readonly kind: 'canary' },
  ready: ReadyPods,
): UndatedCondition {
  const canary = gatewayText(waypoint);
  return ready.canary === 0
    ? condition('False', 'CanaryIsNotReady', `callers go through ${name}, as no pod of canary ${canary} is ready`)
    : condition('True', 'WaypointAccepted', `callers go through ${name}, ${weight} % of connections through ${canary}`);
}

function gatewayText({ namespace, name }: WaypointName): string {
  return `Gateway ${namespace}/${name}`;
}

function condition(status: 'True' | 'False', reason: string, message: string): UndatedCondition {
  return { type: WAYPOINT_BOUND, status, reason, message };
}
