import {
  isOfWaypoint,
  type ObjectMeta,
  WAYPOINT_CANARY_LABEL,
  WAYPOINT_CANARY_NAMESPACE_LABEL,
  WAYPOINT_CANARY_WEIGHT_ANNOTATION,
  WAYPOINT_LABEL,
} from '@ambit/mesh/kinds';
import type { Service, WaypointRef } from '@ambit/mesh/model';
import {
  decideWaypointBinding,
  decideWaypointFault,
  namedWaypoint,
  refToWaypoint,
  type WaypointFault,
  type WaypointName,
  type WaypointSurroundings,
} from './decide-waypoint-binding.ts';
import type { MeshSettings } from './mesh-settings.ts';

const ALL = 100;
const NONE = 'none';

/** Why a canary gets no connection: nobody is refused for that, as the waypoint that it is a canary of takes them all. */
export type CanaryFault = WaypointFault | 'not-covered' | 'same-as-primary' | 'no-primary';

export type CanaryBinding =
  | { readonly kind: 'none' }
  | { readonly kind: 'unused'; readonly waypoint: WaypointName; readonly fault: CanaryFault }
  | {
      readonly kind: 'canary';
      readonly waypoint: WaypointName;
      /** Connections of a hundred; 0 where it is not readable. */
      readonly weight: number;
      readonly fault: 'invalid-weight' | null;
    };

/** What is read of a Service; of a Namespace, for what says nothing itself. */
export type CanaryLabels = Pick<ObjectMeta, 'annotations' | 'labels' | 'namespace'>;

/**
 * Which waypoint takes a share of the connections to a Service, beside the one that it is bound to. Its own labels count, then
 * its namespace's, unless it names a waypoint itself: the namespace's canary is one of the namespace's waypoint. With a weight
 * of 0 it is a waypoint of the Service all the same, so that who is connected already is served as before.
 */
export function decideCanaryWaypoint(meta: CanaryLabels, around: WaypointSurroundings): CanaryBinding {
  if (isOfWaypoint(meta.labels)) return { kind: 'none' };
  const home = meta.namespace;
  const source = sourceOf(meta, around);
  const waypoint = source === undefined ? null : canaryIn(source.labels, home);
  if (source === undefined || waypoint === null || waypoint === NONE) return { kind: 'none' };
  const unused = (fault: CanaryFault): CanaryBinding => ({ kind: 'unused', waypoint, fault });
  const primary = decideWaypointBinding({ meta, traffic: 'service' }, around);
  if (primary.kind !== 'bound') return unused('no-primary');
  if (isSame(primary.waypoint, waypoint)) return unused('same-as-primary');
  const fault = decideWaypointFault(waypoint, { home, traffic: 'service' }, around);
  if (fault !== null) return unused(fault);
  const weight = parseWeight(source.annotations.get(WAYPOINT_CANARY_WEIGHT_ANNOTATION));
  return { kind: 'canary', waypoint, weight: weight ?? 0, fault: weight === null ? 'invalid-weight' : null };
}

/** What agents are told of it, and of the share that is left to `primary`. */
export function weightedWaypointsOf(
  primary: WaypointRef | undefined,
  canary: CanaryBinding,
  settings: MeshSettings,
): Service['weightedWaypoints'] {
  if (primary === undefined || canary.kind !== 'canary') return [];
  const { waypoint, weight } = canary;
  return [
    { waypoint: primary, weight: ALL - weight },
    { waypoint: refToWaypoint(waypoint, settings), weight },
  ];
}

function sourceOf(
  meta: CanaryLabels,
  { namespace }: WaypointSurroundings,
): Omit<CanaryLabels, 'namespace'> | undefined {
  const says = (label: string): boolean => (meta.labels.get(label) ?? '') !== '';
  if (says(WAYPOINT_CANARY_LABEL)) return meta;
  return says(WAYPOINT_LABEL) ? undefined : namespace?.meta;
}

function canaryIn(labels: CanaryLabels['labels'], home: string): ReturnType<typeof namedWaypoint> {
  return namedWaypoint(labels.get(WAYPOINT_CANARY_LABEL), labels.get(WAYPOINT_CANARY_NAMESPACE_LABEL), home);
}

function isSame(a: WaypointName, b: WaypointName): boolean {
  return a.namespace === b.namespace && a.name === b.name;
}

/** Null for what is no whole number from 0 to 100. */
function parseWeight(text: string = '0'): number | null {
  const weight = /^\d{1,3}$/u.test(text) ? Number(text) : null;
  return weight !== null && weight <= ALL ? weight : null;
}
