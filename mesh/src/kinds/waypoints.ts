import { AMBIT_DOMAIN } from './labels.ts';
import type { Gateway, GatewayListener } from './objects.ts';

/** Gateways of this class are waypoints: layer-7 proxies that the controller runs. */
export const WAYPOINT_CLASS = 'ambit-waypoint';

/** Gateways of this class lead to a network, the one of their label; nobody here runs them. */
export const EAST_WEST_CLASS = 'ambit-east-west';
/** On such a Gateway: the service account of whoever runs it, of its namespace; its name when it does not say. */
export const GATEWAY_SERVICE_ACCOUNT_ANNOTATION: 'ambit.dev/service-account' = `${AMBIT_DOMAIN}/service-account`;

const HBONE_PROTOCOLS: readonly string[] = ['HBONE', 'ambit.dev/HBONE'];

/** A listener for tunnels; the bare word is Istio's. */
export function isHboneListener({ protocol }: Pick<GatewayListener, 'protocol'>): boolean {
  return HBONE_PROTOCOLS.includes(protocol);
}

/** On what is made for a Gateway, and on its pods (GEP-1762): the Gateway's name and its class. */
export const GATEWAY_NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';
export const GATEWAY_CLASS_LABEL = 'gateway.networking.k8s.io/gateway-class-name';

/** On a Gateway: traffic to services, to workloads by their own addresses, to both or to none. */
export const WAYPOINT_FOR_LABEL: 'ambit.dev/waypoint-for' = `${AMBIT_DOMAIN}/waypoint-for`;
export const WAYPOINT_FOR = ['service', 'workload', 'all', 'none'] as const;
export type WaypointFor = (typeof WAYPOINT_FOR)[number];
const WAYPOINT_FOR_DEFAULT: WaypointFor = 'service';

/** `<gateway>-<class>`, as GEP-1762 names what is made for a Gateway: its Service, by which callers reach its pods. */
export function waypointServiceName(gateway: string): string {
  return `${gateway}-${WAYPOINT_CLASS}`;
}

/** What a waypoint takes; null when its label says something else than the known words. */
export function waypointFor(gateway: Gateway): WaypointFor | null {
  const value = gateway.meta.labels.get(WAYPOINT_FOR_LABEL) ?? WAYPOINT_FOR_DEFAULT;
  return WAYPOINT_FOR.find((known) => known === value) ?? null;
}

/**
 * Whether an object belongs to a waypoint itself: its pods take tunnels without anybody capturing them, and neither they nor
 * its Service are bound to a waypoint.
 */
export function isOfWaypoint(labels: ReadonlyMap<string, string>): boolean {
  return labels.get(GATEWAY_CLASS_LABEL) === WAYPOINT_CLASS && (labels.get(GATEWAY_NAME_LABEL) ?? '') !== '';
}
