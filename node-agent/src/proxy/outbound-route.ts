import {
  cidrContains,
  formatSocketAddress,
  ipFamily,
  isLoopback,
  parsePort,
  parseSpiffeId,
  serviceKey,
  workloadIdentity,
  type Cidr,
  type IpAddress,
  type MeshView,
  type OriginalDestination,
  type Port,
  type Service,
  type SocketAddress,
  type SpiffeId,
  type WaypointRef,
  type Workload,
} from '@ambit/mesh/model';
import { HBONE_PORT, isIllegalPort } from './illegal-ports.ts';
import { selectEndpoint } from './load-balance.ts';

/** Why an outbound connection is refused; each is a label of the failure metric. */
export type OutboundRefusal =
  | 'illegal-port'
  | 'unknown-source'
  | 'unknown-destination'
  | 'no-healthy-endpoint'
  | 'no-service-port'
  | 'no-address'
  | 'unsupported-network'
  | 'waypoint-missing';

/** A tunnel to open: TLS to `hboneAddress` as one of `expectedIdentities`, then CONNECT `authority`. */
export interface TunnelRoute {
  readonly hboneAddress: SocketAddress;
  readonly authority: string;
  /** Never empty. */
  readonly expectedIdentities: readonly SpiffeId[];
  /** The workload the TLS session ends at: the destination itself or its waypoint. */
  readonly workload: Workload;
  /** The service the application addressed, if it addressed one. */
  readonly service?: Service;
}

/**
 * What to do with one captured outbound connection. `wait` means: the answer may change when the awaited workload
 * arrives; ask again after an update, with `waited` set once the time is up.
 */
export type OutboundRoute =
  | ({ readonly kind: 'direct-hbone' } & TunnelRoute)
  | ({ readonly kind: 'waypoint-hbone' } & TunnelRoute)
  | {
      readonly kind: 'direct-tcp';
      readonly address: SocketAddress;
      readonly workload: Workload;
      readonly service?: Service;
    }
  | { readonly kind: 'passthrough'; readonly address: SocketAddress; readonly service?: Service }
  | { readonly kind: 'wait'; readonly for: 'source' | 'destination' }
  | { readonly kind: 'refused'; readonly reason: OutboundRefusal; readonly service?: Service };

export interface OutboundOptions {
  /**
   * Addresses inside these blocks, or the ranges of the view, belong to the mesh: unknown ones are waited for, then refused,
   * never passed through.
   */
  readonly meshRanges: readonly Cidr[];
  /** [0, 1). */
  readonly random: () => number;
  /** True once the bounded wait for missing workloads is over: `wait` becomes a refusal. */
  readonly waited: boolean;
}

const HBONE: Port = parsePort(HBONE_PORT);

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
  const service = view.serviceByAddress(source.network, destination.ip, source.namespace);
  if (service !== undefined) return routeToService(view, source, service, destination, options);
  const workload = view.workloadByAddress(source.network, destination.ip);
  if (workload !== undefined) return routeToWorkload(view, source, workload, destination, options);
  const isOfMesh =
    view.isInRanges(source.network, destination.ip) ||
    options.meshRanges.some((range) => cidrContains(range, destination.ip));
  if (!isOfMesh) {
    return { kind: 'passthrough', address: destination };
  }
  return options.waited ? refused('unknown-destination') : { kind: 'wait', for: 'destination' };
}

function routeToService(
  view: MeshView,
  source: Workload,
  service: Service,
  destination: OriginalDestination,
  options: OutboundOptions,
): OutboundRoute {
  const waypoint = pickServiceWaypoint(service, options.random) ?? service.callerWaypoints?.get(source.namespace);
  if (waypoint !== undefined) {
    const route = routeToWaypoint(view, source, waypoint, destination, service, options);
    if (route !== null) return route;
  }
  if (service.loadBalancing?.mode === 'passthrough') return { kind: 'passthrough', address: destination, service };
  if (!hasServicePort(view, service, destination.port)) return refused('no-service-port', service);
  const selection = selectEndpoint(view, source, service, destination.port, options.random);
  if (selection.kind === 'none') return refused(selection.reason, service);
  return direct(selection.workload, selection.targetPort, destination, service);
}

function hasServicePort(view: MeshView, service: Service, port: number): boolean {
  if (service.ports.some((candidate) => candidate.servicePort === port)) return true;
  for (const endpoint of view.endpoints(service.key)) {
    if (endpoint.services.get(service.key)?.some((candidate) => candidate.servicePort === port) === true) return true;
  }
  return false;
}

function routeToWorkload(
  view: MeshView,
  source: Workload,
  workload: Workload,
  destination: OriginalDestination,
  options: OutboundOptions,
): OutboundRoute {
  if (workload.waypoint !== undefined) {
    const route = routeToWaypoint(view, source, workload.waypoint, destination, undefined, options);
    if (route !== null) return route;
  }
  return direct(workload, destination.port, destination, undefined);
}

/** `null` when the caller is that waypoint itself: it goes on to the destination. */
function routeToWaypoint(
  view: MeshView,
  source: Workload,
  ref: WaypointRef,
  destination: OriginalDestination,
  service: Service | undefined,
  options: OutboundOptions,
): OutboundRoute | null {
  const found = resolveWaypoint(view, source, ref, options.random);
  if (found === 'self') return null;
  if (found === null || found.workload.tunnelProtocol !== 'hbone') return refused('waypoint-missing', service);
  const ip = addressOf(found.workload, destination.ip);
  if (ip === null) return refused('waypoint-missing', service);
  return {
    kind: 'waypoint-hbone',
    workload: found.workload,
    hboneAddress: { ip, port: parsePort(found.port) },
    authority: formatSocketAddress(destination),
    expectedIdentities: identitiesOf(found.workload, found.service),
    ...(service === undefined ? {} : { service }),
  };
}

interface ResolvedWaypoint {
  readonly workload: Workload;
  readonly port: number;
  readonly service?: Service;
}

function resolveWaypoint(
  view: MeshView,
  source: Workload,
  ref: WaypointRef,
  random: () => number,
): ResolvedWaypoint | 'self' | null {
  const to = ref.destination;
  const service =
    to.kind === 'hostname' ? view.service(serviceKey(to.hostname)) : view.serviceByAddress(to.network, to.ip);
  if (service !== undefined) {
    if (source.services.has(service.key)) return 'self';
    const selection = selectEndpoint(view, source, service, ref.hboneMtlsPort, random);
    return selection.kind === 'none' ? null : { workload: selection.workload, port: selection.targetPort, service };
  }
  if (to.kind === 'hostname') return null;
  const workload = view.workloadByAddress(to.network, to.ip);
  if (workload === undefined || workload.network !== source.network) return null;
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

function direct(
  workload: Workload,
  port: number,
  destination: OriginalDestination,
  service: Service | undefined,
): OutboundRoute {
  // Addressed by VIP the endpoint has addresses of its own; addressed by its own IP that very address is meant.
  const ip = service === undefined ? destination.ip : addressOf(workload, destination.ip);
  if (ip === null) return refused('no-address', service);
  const address: SocketAddress = { ip, port: parsePort(port) };
  if (workload.tunnelProtocol === 'none') {
    return service === undefined
      ? { kind: 'direct-tcp', address, workload }
      : { kind: 'direct-tcp', address, workload, service };
  }
  const hboneAddress: SocketAddress = { ip, port: HBONE };
  const authority = formatSocketAddress(address);
  const expectedIdentities = identitiesOf(workload, service);
  return service === undefined
    ? { kind: 'direct-hbone', workload, hboneAddress, authority, expectedIdentities }
    : { kind: 'direct-hbone', workload, hboneAddress, authority, expectedIdentities, service };
}

/** The workload's address of the wanted family, else its first. */
function addressOf(workload: Workload, like: IpAddress): IpAddress | null {
  const family = ipFamily(like);
  return workload.addresses.find((ip) => ipFamily(ip) === family) ?? workload.addresses[0] ?? null;
}

// Made once per workload object: the same list for every connection to it.
const ownIdentities = new WeakMap<Workload, readonly [SpiffeId]>();

function ownIdentity(workload: Workload): readonly [SpiffeId] {
  let identities = ownIdentities.get(workload);
  if (identities === undefined) {
    identities = [workloadIdentity(workload)];
    ownIdentities.set(workload, identities);
  }
  return identities;
}

/** protocol.md 1.2: the workload's own identity and the names its service claims. Unparsable names never match. */
function identitiesOf(workload: Workload, service: Service | undefined): readonly SpiffeId[] {
  if (service === undefined || service.subjectAltNames.length === 0) return ownIdentity(workload);
  const identities: SpiffeId[] = [...ownIdentity(workload)];
  for (const name of service.subjectAltNames) {
    const identity = toSpiffeId(name);
    if (identity !== null && !identities.includes(identity)) identities.push(identity);
  }
  return identities;
}

function toSpiffeId(text: string): SpiffeId | null {
  try {
    return parseSpiffeId(text);
  } catch {
    return null;
  }
}

function refused(reason: OutboundRefusal, service?: Service): OutboundRoute {
  return { kind: 'refused', reason, ...(service === undefined ? {} : { service }) };
}
