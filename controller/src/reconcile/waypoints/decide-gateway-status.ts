import {
  type Gateway,
  type GatewayListener,
  isHboneListener,
  WAYPOINT_FOR,
  WAYPOINT_FOR_LABEL,
  waypointFor,
} from '@ambit/mesh/kinds';
import type { UndatedCondition } from '../../status/decide-stored-conditions.ts';
import { decideNameFault } from './decide-waypoint-objects.ts';
import type { ParametersDecision } from './decide-waypoint-parameters.ts';

const GROUP = 'gateway.networking.k8s.io';
/** Kinds of routes that a waypoint's listener takes, in the order in which status shows them. */
const ROUTE_KINDS = ['GRPCRoute', 'HTTPRoute', 'TCPRoute', 'TLSRoute'] as const;
const HBONE_PORT = 15_008;

export interface ListenerStatus {
  readonly name: string;
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[];
  readonly attachedRoutes: number;
  readonly conditions: readonly UndatedCondition[];
}

export interface GatewayStatus {
  readonly conditions: readonly UndatedCondition[];
  readonly addresses: readonly { readonly type: 'IPAddress'; readonly value: string }[];
  readonly listeners: readonly ListenerStatus[];
}

/** What became of the objects of a Gateway. */
export interface WaypointState {
  /** Of its Service. */
  readonly clusterIps: readonly string[];
  readonly pods: number;
  readonly readyPods: number;
  /** Why something could not be written; null when everything is. `invalid`: the API server refuses what the author asked for. */
  readonly failure: { readonly kind: 'invalid' | 'taken' | 'failed'; readonly message: string } | null;
}

export interface GatewayStatusInput {
  readonly gateway: Gateway;
  readonly parameters: ParametersDecision;
  /** Null before anything was written. */
  readonly state: WaypointState | null;
  /** By name of listener. */
  readonly attachedRoutes: ReadonlyMap<string, number>;
}

/** Whether a Gateway's objects may be made as it asks for them. What was made before stays while it is not. */
export function isAccepted({ gateway, parameters }: Pick<GatewayStatusInput, 'gateway' | 'parameters'>): boolean {
  return acceptedCondition(gateway, parameters, null).status === 'True';
}

export function decideGatewayStatus({ gateway, parameters, state, attachedRoutes }: GatewayStatusInput): GatewayStatus {
  const accepted = acceptedCondition(gateway, parameters, state);
  const programmed = programmedCondition(accepted, state);
  return {
    conditions: [accepted, programmed],
    addresses: (state?.clusterIps ?? []).map((value) => ({ type: 'IPAddress', value })),
    listeners: gateway.listeners.map((listener) => ({
      name: listener.name,
      supportedKinds: supportedKinds(listener),
      attachedRoutes: attachedRoutes.get(listener.name) ?? 0,
      conditions: listenerConditions(listener, programmed),
    })),
  };
}

function acceptedCondition(
  gateway: Gateway,
  parameters: ParametersDecision,
  state: WaypointState | null,
): UndatedCondition {
  const no = (reason: string, message: string): UndatedCondition => condition('Accepted', 'False', reason, message);
  const nameFault = decideNameFault(gateway);
  if (nameFault !== null) return no('Invalid', nameFault);
  if (waypointFor(gateway) === null) {
    const value = gateway.meta.labels.get(WAYPOINT_FOR_LABEL);
    return no('Invalid', `label ${WAYPOINT_FOR_LABEL} is ${value}: expected one of ${WAYPOINT_FOR.join(', ')}`);
  }
  if (gateway.requestedAddresses.length > 0) {
    return no('UnsupportedAddress', 'spec.addresses: a waypoint has the address of the Service that is made for it');
  }
  // Somebody may rely upon what it says.
  const [unserved] = gateway.unserved;
  if (unserved !== undefined) return no('Invalid', `spec.${unserved}: a waypoint does not act upon it`);
  if (parameters.kind === 'refused') return no('InvalidParameters', parameters.message);
  if (state?.failure?.kind === 'invalid') return no('InvalidParameters', state.failure.message);
  const wrong = gateway.listeners.filter((listener) => listenerFault(listener) !== null);
  if (wrong.length === gateway.listeners.length) {
    return no('ListenersNotValid', `no listener has protocol HBONE and port ${HBONE_PORT}`);
  }
  return wrong.length === 0
    ? condition('Accepted', 'True', 'Accepted', 'a waypoint is made for it')
    : condition('Accepted', 'True', 'ListenersNotValid', `these listeners are not served: ${namesOf(wrong)}`);
}

function programmedCondition(accepted: UndatedCondition, state: WaypointState | null): UndatedCondition {
  const no = (reason: string, message: string): UndatedCondition => condition('Programmed', 'False', reason, message);
  if (accepted.status !== 'True') return no('Invalid', `it is not accepted: ${accepted.message}`);
  if (state === null) return no('Pending', 'its objects are not written yet');
  if (state.failure !== null) return no('NoResources', state.failure.message);
  if (state.clusterIps.length === 0) return no('AddressNotAssigned', 'its Service has no address yet');
  const pods = `${state.readyPods} of ${state.pods} pods ready`;
  // As long as none is, callers of what is bound to it are refused.
  if (state.readyPods === 0) return no('Pending', pods);
  return condition('Programmed', 'True', 'Programmed', pods);
}

function listenerConditions(listener: GatewayListener, gateway: UndatedCondition): readonly UndatedCondition[] {
  const fault = listenerFault(listener);
  const unknown = unsupportedKinds(listener);
  return [
    fault === null
      ? condition('Accepted', 'True', 'Accepted', 'routes may be attached')
      : condition('Accepted', 'False', fault.reason, fault.message),
    condition('Conflicted', 'False', 'NoConflicts', 'no other listener is in its way'),
    unknown.length === 0
      ? condition('ResolvedRefs', 'True', 'ResolvedRefs', 'every kind of route that it allows is known')
      : condition('ResolvedRefs', 'False', 'InvalidRouteKinds', `allowedRoutes.kinds: ${unknown.join(', ')}`),
    fault === null
      ? { ...gateway, reason: gateway.status === 'True' ? 'Programmed' : 'Pending' }
      : condition('Programmed', 'False', 'Invalid', fault.message),
  ];
}

function listenerFault({ protocol, port, hostname, tlsMode }: GatewayListener): {
  readonly reason: string;
  readonly message: string;
} | null {
  if (!isHboneListener({ protocol })) {
    return { reason: 'UnsupportedProtocol', message: `protocol ${protocol}: a waypoint speaks HBONE` };
  }
  if (port !== HBONE_PORT) return { reason: 'PortUnavailable', message: `port ${port}: HBONE has ${HBONE_PORT}` };
  if (hostname !== null || tlsMode !== null) {
    return { reason: 'UnsupportedProtocol', message: `${tlsMode === null ? 'hostname' : 'tls'}: HBONE has neither` };
  }
  return null;
}

/** Those that the listener allows and somebody acts upon. */
function supportedKinds({ protocol, allowedRoutes: { kinds } }: GatewayListener): ListenerStatus['supportedKinds'] {
  if (!isHboneListener({ protocol })) return [];
  const wanted = (kind: string): boolean =>
    kinds === null || kinds.some((allowed) => allowed.group === GROUP && allowed.kind === kind);
  return ROUTE_KINDS.filter(wanted).map((kind) => ({ group: GROUP, kind }));
}

function unsupportedKinds({ allowedRoutes: { kinds } }: GatewayListener): readonly string[] {
  const isKnown = ({ group, kind }: { readonly group: string; readonly kind: string }): boolean =>
    group === GROUP && ROUTE_KINDS.some((known) => known === kind);
  return (kinds ?? []).filter((kind) => !isKnown(kind)).map(({ group, kind }) => `${group}/${kind} is not known`);
}

function namesOf(listeners: readonly GatewayListener[]): string {
  return listeners.map(({ name }) => name).join(', ');
}

function condition(
  type: string,
  status: UndatedCondition['status'],
  reason: string,
  message: string,
): UndatedCondition {
  return { type, status, reason, message };
}
