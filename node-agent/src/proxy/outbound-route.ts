import {
  addresseeOf,
  EXTERNAL_PLACE,
  allowsEgress,
  cidrContains,
  formatSocketAddress,
  isLoopback,
  serviceKey,
  type Cidr,
  type IpAddress,
  type MeshView,
  type OriginalDestination,
  type Service,
  type SocketAddress,
  type WaypointRef,
  type Workload,
} from '@ambit/mesh/model';
import { isIllegalPort } from './illegal-ports.ts';
import { type EndpointRole, type SelectionInputs, selectEndpoint } from './load-balance.ts';
import {
  addressOf,
  chooseResolved,
  claimedIdentities,
  type NextHop,
  routeOver,
  type RouteToWorkload,
} from './next-hop.ts';

/** Why an outbound connection is refused; each is a label of the failure metric. */
export type OutboundRefusal =
  | 'illegal-port'
  | 'unknown-source'
  | 'unknown-destination'
  | 'not-answered'
  | 'egress-locked'
  | 'no-healthy-endpoint'
  | 'no-service-port'
  | 'no-address'
  | 'name-not-resolved'
  | 'no-network-gateway'
  | 'network-gateway-missing'
  | 'no-remote-tunnel'
  | 'no-remote-identity'
  | 'waypoint-missing';

/**
 * What to do with one captured outbound connection. `wait` means: the answer may change when the awaited workload
 * arrives; ask again after an update, with `waited` set once the time is up. `resolve` means: the workload is known by a name;
 * `routeToResolved` tells the rest.
 */
export type OutboundRoute =
  | RouteToWorkload
  | { readonly kind: 'passthrough'; readonly address: SocketAddress; readonly service?: Service }
  | { readonly kind: 'wait'; readonly for: 'source' | 'destination' }
  /** Not by `decideOutbound`, which has no names to ask for: it may have another answer once these are known. */
  | { readonly kind: 'wait'; readonly for: 'names'; readonly names: readonly string[] }
  | ResolveRoute
  | { readonly kind: 'refused'; readonly reason: OutboundRefusal; readonly service?: Service };

export interface ResolveRoute {
  readonly kind: 'resolve';
  readonly hop: NextHop;
  /** An address of the family that the caller speaks. */
  readonly like: IpAddress;
}

export interface OutboundOptions extends SelectionInputs {
  /**
   * Addresses inside these blocks, or the ranges of the view, belong to the mesh: unknown ones are waited for, then refused,
   * never passed through.
   */
  readonly meshRanges: readonly Cidr[];
  /** True once the bounded wait for missing workloads is over: `wait` becomes a refusal. */
  readonly waited: boolean;
}

/** One connection to decide about. */
interface Call {
  readonly view: MeshView;
  readonly source: Workload;
  readonly destination: OriginalDestination;
  readonly options: OutboundOptions;
}

/** Routes one connection of the captured workload `source` (protocol.md 4.8). Pure: the same inputs give the same route. */
export function decideOutbound(
  view: MeshView,
  source: Workload | undefined,
  destination: OriginalDestination,
  options: OutboundOptions,
): OutboundRoute {
  if (isLoopback(destination.ip) && isIllegalPort(destination.port)) return refused('illegal-port');
  if (source === undefined) {
    return options.waited ? refused('unknown-source') : { kind: 'wait', for: 'source' };
  }
  if (isIllegalPort(destination.port) && source.addresses.includes(destination.ip)) return refused('illegal-port');
  const call: Call = { view, source, destination, options };
  const addressee = addresseeOf(view, source.network, destination.ip, source.namespace);
  if (addressee?.kind === 'service') return routeToService(call, addressee.service);
  if (addressee?.kind === 'workload' && mayCall(call, addressee.workload))
    return routeToWorkload(call, addressee.workload);
  if (addressee?.kind === 'workload') return refused('egress-locked');
  const isOfMesh =
    view.isInRanges(source.network, destination.ip) ||
    options.meshRanges.some((range) => cidrContains(range, destination.ip));
  if (!isOfMesh) {
    const { egress } = source;
    if (egress !== undefined && !allowsEgress(egress, destination)) return refused('egress-locked');
    return { kind: 'passthrough', address: destination };
  }
  return options.waited ? refused('unknown-destination') : { kind: 'wait', for: 'destination' };
}

/**
 * A place outside the mesh, called by its own address: where egress is locked the ports of services count that the caller may see, as if it
 * had called these.
 */
function mayCall({ view, source, destination }: Call, { uid, services }: Workload): boolean {
  const { egress } = source;
  if (egress === undefined || !uid.includes(EXTERNAL_PLACE) || allowsEgress(egress, destination)) return true;
  return [...services].some(([key, ports]) => {
    const service = view.service(key);
    const isVisible = service?.visibility === 'public' || service?.namespace === source.namespace;
    return isVisible && ports.some(({ targetPort }) => targetPort === destination.port);
  });
}

/** Goes on with what the name of the workload was resolved to. Pure. */
export function routeToResolved(
  { hop, like }: ResolveRoute,
  addresses: readonly IpAddress[],
  random: () => number,
): RouteToWorkload | (OutboundRoute & { readonly kind: 'refused' }) {
  const ip = chooseResolved(addresses, like, random);
  return ip === null ? refused('name-not-resolved', hop.service) : routeOver(hop, ip);
}

function routeToService(call: Call, service: Service): OutboundRoute {
  const { view, source, destination, options } = call;
  const waypoint = pickServiceWaypoint(service, options.random) ?? service.callerWaypoints?.get(source.namespace);
  if (waypoint !== undefined) {
    const route = routeToWaypoint(call, waypoint, service);
    // A canary without a pod leaves its share to the waypoint that it is a canary of, past which nobody goes either way.
    const isLost = route?.kind === 'refused' && route.reason === 'waypoint-missing';
    const instead = isLost && service.waypoint !== undefined ? routeToWaypoint(call, service.waypoint, service) : route;
    if (instead !== null) return instead;
  }
  if (service.loadBalancing?.mode === 'passthrough') return { kind: 'passthrough', address: destination, service };
  if (!hasServicePort(view, service, destination.port)) return refused('no-service-port', service);
  const selection = selectEndpoint(view, source, service, destination.port, 'destination', options);
  if (selection.kind === 'none') return refused(selection.reason, service);
  const { workload, targetPort } = selection;
  if (workload.network !== source.network) return routeThroughGateway(call, workload, service, service);
  return reach({ to: 'destination', workload, port: targetPort, service }, destination.ip);
}

function hasServicePort(view: MeshView, service: Service, port: number): boolean {
  if (service.ports.some((candidate) => candidate.servicePort === port)) return true;
  for (const endpoint of view.endpoints(service.key)) {
    if (endpoint.services.get(service.key)?.some((candidate) => candidate.servicePort === port) === true) return true;
  }
  return false;
}

function routeToWorkload(call: Call, workload: Workload): OutboundRoute {
  const { destination } = call;
  if (workload.waypoint !== undefined) {
    const route = routeToWaypoint(call, workload.waypoint, undefined);
    if (route !== null) return route;
  }
  return reach({ to: 'destination', workload, port: destination.port, service: undefined }, destination.ip);
}

/** `null` when the caller is that waypoint itself: it goes on to the destination. */
function routeToWaypoint(call: Call, ref: WaypointRef, service: Service | undefined): OutboundRoute | null {
  const { source, destination } = call;
  const found = resolveReference(call, ref, 'waypoint');
  if (found === 'self') return null;
  if (found === null || found.workload.tunnelProtocol !== 'hbone') return refused('waypoint-missing', service);
  const { workload, port, service: waypointService } = found;
  if (workload.network !== source.network) {
    // What is in another network is found by the name of a service, and there is none.
    if (service === undefined) return refused('no-network-gateway');
    return routeThroughGateway(call, workload, service, waypointService);
  }
  const authority = formatSocketAddress(destination);
  const route = reach(
    { to: 'waypoint', workload, port, service, authority, waypointService },
    likeOf(ref, destination),
  );
  return route.kind === 'refused' ? refused('waypoint-missing', service) : route;
}

/**
 * Towards `far`, which is in another network: through the gateway of that network, to whoever it finds there for the service. The far
 * end is whoever the service that `far` was found by says its endpoints are.
 */
function routeThroughGateway(call: Call, far: Workload, service: Service, foundBy: Service | undefined): OutboundRoute {
  const { destination } = call;
  const ref = far.networkGateway;
  if (ref === undefined) return refused('no-network-gateway', service);
  const innerIdentities = foundBy === undefined ? [] : claimedIdentities(foundBy);
  if (innerIdentities.length === 0) return refused('no-remote-identity', service);
  const found = resolveReference(call, ref, 'gateway');
  if (found === null || found === 'self' || found.workload.tunnelProtocol !== 'hbone') {
    return refused('network-gateway-missing', service);
  }
  const { workload, port, service: gatewayService } = found;
  const authority = `${service.hostname}:${destination.port}`;
  const hop: NextHop = { to: 'gateway', workload, port, service, authority, gatewayService, innerIdentities, far };
  const route = reach(hop, likeOf(ref, destination));
  return route.kind === 'refused' ? refused('network-gateway-missing', service) : route;
}

function reach(hop: NextHop, like: IpAddress): OutboundRoute {
  const ip = addressOf(hop, like);
  if (ip !== null) return routeOver(hop, ip);
  // One that has addresses, none of which its service allows, is not looked for elsewhere.
  const hasName = hop.workload.addresses.length === 0 && hop.workload.hostname !== '';
  return hasName ? { kind: 'resolve', hop, like } : refused('no-address', hop.service);
}

/** Named by its address, that very address is meant; by its name, one of the family that the caller speaks. */
function likeOf({ destination: to }: WaypointRef, destination: OriginalDestination): IpAddress {
  return to.kind === 'address' ? to.ip : destination.ip;
}

interface ResolvedReference {
  readonly workload: Workload;
  readonly port: number;
  readonly service?: Service;
}

function resolveReference(
  { view, source, options }: Call,
  ref: WaypointRef,
  role: EndpointRole & ('waypoint' | 'gateway'),
): ResolvedReference | 'self' | null {
  const to = ref.destination;
  const service =
    to.kind === 'hostname' ? view.service(serviceKey(to.hostname)) : view.serviceByAddress(to.network, to.ip);
  if (service !== undefined) {
    if (role === 'waypoint' && source.services.has(service.key)) return 'self';
    const selection = selectEndpoint(view, source, service, ref.hboneMtlsPort, role, options);
    return selection.kind === 'none' ? null : { workload: selection.workload, port: selection.targetPort, service };
  }
  const workload =
    to.kind === 'hostname' ? view.workloadByHostname(to.hostname) : view.workloadByAddress(to.network, to.ip);
  if (workload === undefined) return null;
  return workload.uid === source.uid ? 'self' : { workload, port: ref.hboneMtlsPort };
}

function pickServiceWaypoint(service: Service, random: () => number): WaypointRef | undefined {
  let total = 0;
  for (const candidate of service.weightedWaypoints) total += candidate.weight;
  if (total <= 0) return service.waypoint ?? service.weightedWaypoints[0]?.waypoint;
  let left = random() * total;
  let last: WaypointRef | undefined;
  for (const candidate of service.weightedWaypoints) {
    if (candidate.weight <= 0) continue;
    last = candidate.waypoint;
    left -= candidate.weight;
    if (left < 0) return last;
  }
  return last;
}

function refused(reason: OutboundRefusal, service?: Service): OutboundRoute & { readonly kind: 'refused' } {
  return { kind: 'refused', reason, ...(service === undefined ? {} : { service }) };
}
