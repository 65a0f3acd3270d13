import {
  type AccessPolicyObject,
  MATCH_ALL,
  saysOfRequests,
  WAYPOINT_BYPASS,
  WAYPOINT_BYPASS_LABEL,
  waypointServiceName,
} from '@ambit/mesh/kinds';
import { type AccessPolicy, type PolicyKey, policyKey, type PolicyMatch, type StringMatch } from '@ambit/mesh/model';
import type { WaypointFault, WaypointName } from './decide-waypoint-binding.ts';
import type { MeshSettings } from './mesh-settings.ts';

/** A waypoint that stands before a workload: before a Service that it backs, or before itself. */
export interface StandingWaypoint {
  readonly waypoint: WaypointName;
  readonly fault: WaypointFault | null;
  /** Callers may go past it. */
  readonly bypass: boolean;
  /** Policies of that Service, of the Gateway and of its class: nobody else enforces them. */
  readonly policies: readonly AccessPolicyObject[];
}

/** Whether callers may go past a waypoint: the innermost label that says something counts. */
export function bypassOf(...labels: readonly (ReadonlyMap<string, string> | undefined)[]): boolean {
  for (const some of labels) {
    const value = some?.get(WAYPOINT_BYPASS_LABEL);
    if (value !== undefined && value !== '') return value === WAYPOINT_BYPASS;
  }
  return false;
}

/**
 * The waypoints through which alone a workload is to be reached; empty when it may be reached by everybody. That is so once
 * a policy is in force there that only a waypoint can enforce: who went past it would go past the policy.
 */
export function decideWaypointGuard(
  standing: readonly StandingWaypoint[],
  /** Of its namespace, of the mesh, and those that select it. */
  covering: readonly AccessPolicyObject[],
): readonly Pick<StandingWaypoint, 'waypoint' | 'fault'>[] {
  const closed = standing.filter(({ bypass }) => !bypass);
  const isAsked =
    closed.some(({ policies }) => policies.some(isEnforced)) ||
    covering.some((policy) => isEnforced(policy) && saysOfRequests(policy));
  if (!isAsked) return [];
  const byName = new Map(closed.map(({ waypoint, fault }) => [nameOf(waypoint), { waypoint, fault }]));
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, guard]) => guard);
}

/** Kubernetes names have no underscore: this can never be the name of somebody's AccessPolicy. */
const GUARD_PREFIX = 'ambit_waypoint_';

/** Names the policy that `guardPolicy` gives. */
export function guardPolicyKey(guard: ReturnType<typeof decideWaypointGuard>, rootNamespace: string): PolicyKey {
  return policyKey({ namespace: rootNamespace, name: guardName(guard) });
}

/** Refuses everybody but these waypoints; all, where none of them is one. */
export function guardPolicy(guard: ReturnType<typeof decideWaypointGuard>, settings: MeshSettings): AccessPolicy {
  const namespace = settings.rootNamespace;
  const principals = guard
    .filter(({ fault }) => fault === null)
    .map(({ waypoint }): StringMatch => waypointPrincipal(waypoint, settings));
  const clauses = principals.length === 0 ? [] : [{ matches: [noneOf(principals)] }];
  return {
    key: guardPolicyKey(guard, namespace),
    name: guardName(guard),
    namespace,
    scope: 'workload',
    action: 'deny',
    rules: [{ clauses }],
    dryRun: false,
  };
}

/**
 * The policy without a say about waypoints, which have asked it about their callers already. What it says of everybody else
 * stays.
 */
export function exceptWaypoints(
  policy: AccessPolicy,
  waypoints: readonly WaypointName[],
  settings: MeshSettings,
): AccessPolicy {
  if (waypoints.length === 0) return policy;
  const principals = waypoints.map((waypoint) => waypointPrincipal(waypoint, settings));
  if (policy.action === 'allow') {
    const match = { ...MATCH_ALL, principals: { any: principals, none: [] } };
    return { ...policy, rules: [...policy.rules, { clauses: [{ matches: [match] }] }] };
  }
  const others = { matches: [noneOf(principals)] };
  return { ...policy, rules: policy.rules.map(({ clauses }) => ({ clauses: [...clauses, others] })) };
}

function noneOf(principals: readonly StringMatch[]): PolicyMatch {
  return { ...MATCH_ALL, principals: { any: [], none: principals } };
}

function waypointPrincipal({ namespace, name }: WaypointName, { trustDomain }: MeshSettings): StringMatch {
  return { kind: 'exact', value: `${trustDomain}/ns/${namespace}/sa/${waypointServiceName(name)}` };
}

function isEnforced({ action, dryRun }: AccessPolicyObject): boolean {
  return action !== 'Audit' && !dryRun;
}

function guardName(guard: ReturnType<typeof decideWaypointGuard>): string {
  return GUARD_PREFIX + guard.map(({ waypoint }) => nameOf(waypoint)).join('_');
}

function nameOf({ namespace, name }: WaypointName): string {
  return `${namespace}_${name}`;
}
