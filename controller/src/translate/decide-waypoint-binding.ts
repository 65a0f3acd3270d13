import {
  type Gateway,
  isOfWaypoint,
  type LabelSelector,
  type Namespace,
  type ObjectMeta,
  selects,
  WAYPOINT_CLASS,
  WAYPOINT_LABEL,
  WAYPOINT_NAMESPACE_LABEL,
  type WaypointFor,
  waypointFor,
  waypointServiceName,
} from '@ambit/mesh/kinds';
import { parsePort, type WaypointRef } from '@ambit/mesh/model';
import { type MeshSettings, serviceHostname } from './mesh-settings.ts';

const HBONE_PORT = parsePort(15008);
const OPT_OUT = 'none';
const NO_LABELS: ReadonlyMap<string, string> = new Map();

/** What a waypoint stands in front of. */
export type WaypointTraffic = Exclude<WaypointFor, 'all' | 'none'>;

/** A Gateway by name. */
export interface WaypointName {
  readonly namespace: string;
  readonly name: string;
}

/** Why a reference to a waypoint is of no use as it stands. Callers are refused meanwhile. */
export type WaypointFault = 'missing' | 'wrong-class' | 'not-allowed';

export type WaypointBinding =
  | {
      readonly kind: 'none';
      /** `own-waypoint`: it is part of a waypoint itself. */
      readonly reason: 'not-labelled' | 'opted-out' | 'own-waypoint';
    }
  /** The waypoint that is named is not for such traffic: it is as if nothing were named. */
  | { readonly kind: 'not-covered'; readonly waypoint: WaypointName }
  | { readonly kind: 'bound'; readonly waypoint: WaypointName; readonly fault: WaypointFault | null };

/** Everything beside the object that its binding depends on. */
export interface WaypointSurroundings {
  readonly namespace: Namespace | undefined;
  readonly gateway: (name: WaypointName) => Gateway | undefined;
}

/**
 * Which waypoint stands before a service or a workload: its own label counts, then its namespace's. It is bound as soon as it
 * says so, whether or not the Gateway exists, so that agents refuse rather than go direct while it is missing. A Gateway that
 * is there and not for such traffic (`ambit.dev/waypoint-for`) binds nothing; one that is missing is taken to be for
 * services, and for the workloads that name it themselves.
 */
export function decideWaypointBinding(
  { meta, traffic }: { readonly meta: Pick<ObjectMeta, 'labels' | 'namespace'>; readonly traffic: WaypointTraffic },
  { namespace, gateway: find }: WaypointSurroundings,
): WaypointBinding {
  if (isOfWaypoint(meta.labels)) return { kind: 'none', reason: 'own-waypoint' };
  return decideBinding(meta.labels, meta.namespace, traffic, { namespace, gateway: find });
}

/** Which waypoint a namespace names for the services that are called from it and have none of their own. */
export function decideNamespaceWaypoint(namespace: string, around: WaypointSurroundings): WaypointBinding {
  return decideBinding(NO_LABELS, namespace, 'service', around);
}

function decideBinding(
  labels: ReadonlyMap<string, string>,
  home: string,
  traffic: WaypointTraffic,
  around: WaypointSurroundings,
): WaypointBinding {
  const own = nameIn(labels, home);
  const named = own ?? nameIn(around.namespace?.meta.labels ?? NO_LABELS, home);
  if (named === null) return { kind: 'none', reason: 'not-labelled' };
  if (named === OPT_OUT) return { kind: 'none', reason: 'opted-out' };
  const fault = decideWaypointFault(named, { home, traffic }, around);
  const isElsewhere = fault === 'missing' && traffic === 'workload' && own === null;
  if (fault === 'not-covered' || isElsewhere) return { kind: 'not-covered', waypoint: named };
  return { kind: 'bound', waypoint: named, fault };
}

/** Whether a Gateway can stand before such traffic of a namespace, `home`; `not-covered` where it is not for it. */
export function decideWaypointFault(
  named: WaypointName,
  { home, traffic }: { readonly home: string; readonly traffic: WaypointTraffic },
  { namespace, gateway: find }: WaypointSurroundings,
): WaypointFault | 'not-covered' | null {
  const gateway = find(named);
  if (gateway === undefined) return 'missing';
  if (gateway.className !== WAYPOINT_CLASS) return 'wrong-class';
  // A word that is not known covers everything: to refuse is safer than to go past what somebody meant to be there.
  const covers = waypointFor(gateway) ?? 'all';
  if (covers !== 'all' && covers !== traffic) return 'not-covered';
  return named.namespace === home || takesNamespace(gateway, home, namespace) ? null : 'not-allowed';
}

/** What agents are told of a binding; undefined when there is nothing in between. */
export function waypointRefOf(binding: WaypointBinding, settings: MeshSettings): WaypointRef | undefined {
  return binding.kind === 'bound' ? refToWaypoint(binding.waypoint, settings) : undefined;
}

/** As agents look for the pods of that waypoint, whether it is there or not. */
export function refToWaypoint({ namespace, name }: WaypointName, settings: MeshSettings): WaypointRef {
  const hostname = serviceHostname(waypointServiceName(name), namespace, settings);
  return { destination: { kind: 'hostname', hostname: { namespace, hostname } }, hboneMtlsPort: HBONE_PORT };
}

function nameIn(labels: ReadonlyMap<string, string>, home: string): ReturnType<typeof namedWaypoint> {
  return namedWaypoint(labels.get(WAYPOINT_LABEL), labels.get(WAYPOINT_NAMESPACE_LABEL), home);
}

/** The Gateway that two labels name; null where they name none. */
export function namedWaypoint(
  name: string | undefined,
  namespace: string | undefined,
  home: string,
): WaypointName | typeof OPT_OUT | null {
  if (name === undefined || name === '') return null;
  if (name === OPT_OUT) return OPT_OUT;
  return { namespace: namespace === undefined || namespace === '' ? home : namespace, name };
}

/** As for routes: a listener says from which namespaces. */
function takesNamespace(gateway: Gateway, name: string, namespace: Namespace | undefined): boolean {
  return gateway.listeners.some(({ allowedRoutes: { from } }) => {
    if (from.kind === 'selector') return matches(from.selector, namespace);
    return from.kind === 'all' || (from.kind === 'same' && gateway.meta.namespace === name);
  });
}

function matches(selector: LabelSelector, namespace: Namespace | undefined): boolean {
  return selects(selector, namespace?.meta.labels ?? NO_LABELS);
}
