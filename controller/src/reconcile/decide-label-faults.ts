import {
  type KubeService,
  LOAD_BALANCER_ANNOTATION,
  LOAD_BALANCERS,
  type Namespace,
  type ObjectMeta,
  suggest,
  WAYPOINT_CANARY_LABEL,
  WAYPOINT_CLASS,
  WAYPOINT_LABEL,
} from '@ambit/mesh/kinds';
import type { Gateway, Pod } from '@ambit/mesh/kinds';
import { type CanaryBinding, decideCanaryWaypoint } from '../translate/decide-canary-waypoint.ts';
import {
  decideNamespaceWaypoint,
  decideWaypointBinding,
  type WaypointBinding,
  type WaypointFault,
  type WaypointName,
  type WaypointSurroundings,
} from '../translate/decide-waypoint-binding.ts';
import type { RefusedObject } from './decide-problem-events.ts';
import { canaryFault } from './waypoints/decide-waypoint-bound.ts';

/** What surrounds the labels of an object. */
export interface LabelWorld {
  namespace(name: string): Namespace | undefined;
  gateway(namespace: string, name: string): Gateway | undefined;
  gatewaysOf(namespace: string): readonly Gateway[];
}

/** As the conditions of Services have it. */
const CODES: Readonly<Record<WaypointFault, RefusedObject['code']>> = {
  missing: 'WaypointMissing',
  'wrong-class': 'WrongClass',
  'not-allowed': 'AttachmentDenied',
};

/** What is wrong with what a Service, Pod or Namespace says by its own labels and annotations of waypoints. */
export function decideLabelFaults(object: KubeService | Namespace | Pod, world: LabelWorld): readonly RefusedObject[] {
  const { kind, meta } = object;
  const about = { kind, namespace: kind === 'Namespace' ? meta.name : meta.namespace, name: meta.name };
  const faults: RefusedObject[] = [];
  const binding = meta.labels.has(WAYPOINT_LABEL) ? bindingOf(object, world) : null;
  if (binding?.kind === 'bound' && binding.fault !== null) {
    faults.push({ ...about, code: CODES[binding.fault], reason: faultText(binding, binding.fault, world) });
  }
  const canary = meta.labels.has(WAYPOINT_CANARY_LABEL) ? canaryOf(object, world) : null;
  const lacks = canary === null ? null : canaryFault(canary);
  if (canary !== null && canary.kind !== 'none' && lacks !== null) {
    const meant = lacks.code === 'CanaryMissing' ? missingHint(canary.waypoint, world) : '';
    faults.push({ ...about, code: lacks.code, reason: `${lacks.text}${meant}` });
  }
  const algorithm = kind === 'Service' ? meta.annotations.get(LOAD_BALANCER_ANNOTATION) : undefined;
  if (algorithm !== undefined && LOAD_BALANCERS.every((known) => known !== algorithm)) {
    const reason = `annotation ${LOAD_BALANCER_ANNOTATION} must be one of ${LOAD_BALANCERS.join(', ')}${hint(algorithm, LOAD_BALANCERS)}`;
    faults.push({ ...about, code: 'NotTaken', reason });
  }
  return faults;
}

function bindingOf(
  { kind, meta }: { readonly kind: string; readonly meta: ObjectMeta },
  world: LabelWorld,
): WaypointBinding {
  const home = kind === 'Namespace' ? meta.name : meta.namespace;
  const around = surroundings(home, world);
  if (kind === 'Namespace') return decideNamespaceWaypoint(home, around);
  return decideWaypointBinding({ meta, traffic: kind === 'Pod' ? 'workload' : 'service' }, around);
}

/** Null for a Pod: there is no canary for the addresses of pods. */
function canaryOf({ kind, meta }: KubeService | Namespace | Pod, world: LabelWorld): CanaryBinding | null {
  if (kind === 'Pod') return null;
  if (kind === 'Service') return decideCanaryWaypoint(meta, surroundings(meta.namespace, world));
  const silent = { namespace: meta.name, labels: new Map(), annotations: new Map() };
  return decideCanaryWaypoint(silent, surroundings(meta.name, world));
}

function surroundings(home: string, world: LabelWorld): WaypointSurroundings {
  return { namespace: world.namespace(home), gateway: (named) => world.gateway(named.namespace, named.name) };
}

function faultText(
  { waypoint: { namespace, name } }: Extract<WaypointBinding, { readonly kind: 'bound' }>,
  fault: WaypointFault,
  world: LabelWorld,
): string {
  const gateway = `Gateway ${namespace}/${name}`;
  const label = `label ${WAYPOINT_LABEL}`;
  switch (fault) {
    case 'missing':
      return `${label} names ${gateway}, which is not there: callers are refused${missingHint({ namespace, name }, world)}`;
    case 'wrong-class':
      return `${label} names ${gateway}, which is not of class ${WAYPOINT_CLASS}: callers are refused`;
    case 'not-allowed':
      return `${label} names ${gateway}, no listener of which allows this namespace: callers are refused`;
  }
}

function missingHint({ namespace, name }: WaypointName, world: LabelWorld): string {
  const waypoints = world.gatewaysOf(namespace).filter(({ className }) => className === WAYPOINT_CLASS);
  return hint(
    name,
    waypoints.map(({ meta }) => meta.name),
  );
}

function hint(text: string, candidates: readonly string[]): string {
  const meant = suggest(text, candidates);
  return meant === undefined ? '' : `; did you mean ${meant}?`;
}
