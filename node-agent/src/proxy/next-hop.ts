import {
  formatSocketAddress,
  ipFamily,
  isLoopback,
  parsePort,
  parseSpiffeId,
  type IpAddress,
  type Port,
  type Service,
  type SocketAddress,
  type SpiffeId,
  type Workload,
  workloadIdentity,
} from '@ambit/mesh/model';
import { HBONE_PORT } from './illegal-ports.ts';

/** A tunnel to open: TLS to `hboneAddress` as one of `expectedIdentities`, then CONNECT `authority`. */
export interface TunnelRoute {
  readonly hboneAddress: SocketAddress;
  readonly authority: string;
  /** Never empty. */
  readonly expectedIdentities: readonly SpiffeId[];
  /** The workload the TLS session ends at: the destination itself, its waypoint, or the gateway of its network. */
  readonly workload: Workload;
  /** The service the application addressed, if it addressed one. */
  readonly service?: Service;
}

/** A connection whose destination, its waypoint, or the gateway of its network has an address. */
export type RouteToWorkload =
  | ({ readonly kind: 'direct-hbone' } & TunnelRoute)
  | ({ readonly kind: 'waypoint-hbone' } & TunnelRoute)
  /** Through the tunnel to the gateway another one, with the same authority, to one of `innerIdentities`. */
  | ({
      readonly kind: 'double-hbone';
      readonly innerIdentities: readonly SpiffeId[];
      /** What was chosen in the other network; the gateway there may choose another one. */
      readonly far: Workload;
    } & TunnelRoute)
  | {
      readonly kind: 'direct-tcp';
      readonly address: SocketAddress;
      readonly workload: Workload;
      readonly service?: Service;
    };

/** The workload to connect to next, while it may not be known yet under which address. */
export type NextHop = {
  readonly workload: Workload;
  readonly port: number;
  /** The service the application addressed. */
  readonly service: Service | undefined;
} & (
  | { readonly to: 'destination' }
  | { readonly to: 'waypoint'; readonly authority: string; readonly waypointService: Service | undefined }
  | {
      readonly to: 'gateway';
      readonly authority: string;
      readonly gatewayService: Service | undefined;
      readonly innerIdentities: readonly SpiffeId[];
      readonly far: Workload;
    }
);

/** Whose endpoint it is, if anybody's. */
function serviceOf(hop: NextHop): Service | undefined {
  switch (hop.to) {
    case 'destination':
      return hop.service;
    case 'waypoint':
      return hop.waypointService;
    case 'gateway':
      return hop.gatewayService;
  }
}

/**
 * The address to reach it at: the very one that was asked for if it has it, else the first of the wanted family, else any, of those that its
 * service allows. `null`: it has none.
 */
export function addressOf(hop: NextHop, like: IpAddress): IpAddress | null {
  const { addresses } = hop.workload;
  if (addresses.includes(like)) return like;
  const families = serviceOf(hop)?.ipFamilies;
  const family = ipFamily(like);
  let other: IpAddress | null = null;
  for (const ip of addresses) {
    if (!isAllowed(ip, families)) continue;
    if (ipFamily(ip) === family) return ip;
    other ??= ip;
  }
  return other;
}

function isAllowed(ip: IpAddress, families: Service['ipFamilies'] | undefined): boolean {
  if (families === 'ipv4-only') return ipFamily(ip) === 4;
  return families === 'ipv6-only' ? ipFamily(ip) === 6 : true;
}

/**
 * One of the addresses that a workload's name was resolved to: of the wanted family if there is one. Never one of our own loopback
 * interface, which a name of others has no say about. `null`: there is none.
 */
export function chooseResolved(
  addresses: readonly IpAddress[],
  like: IpAddress,
  random: () => number,
): IpAddress | null {
  const usable = addresses.filter((ip) => !isLoopback(ip));
  const alike = usable.filter((ip) => ipFamily(ip) === ipFamily(like));
  const from = alike.length > 0 ? alike : usable;
  return from[Math.floor(random() * from.length)] ?? null;
}

/** The connection to the next hop at `ip`. */
export function routeOver(hop: NextHop, ip: IpAddress): RouteToWorkload {
  const { workload, service } = hop;
  const port = parsePort(hop.port);
  const known = service === undefined ? { workload } : { workload, service };
  switch (hop.to) {
    case 'destination': {
      const address: SocketAddress = { ip, port };
      if (workload.tunnelProtocol === 'none') return { kind: 'direct-tcp', address, ...known };
      return {
        kind: 'direct-hbone',
        ...known,
        hboneAddress: { ip, port: HBONE },
        authority: formatSocketAddress(address),
        expectedIdentities: identitiesOf(workload, service),
      };
    }
    case 'waypoint':
      return {
        kind: 'waypoint-hbone',
        ...known,
        hboneAddress: { ip, port },
        authority: hop.authority,
        expectedIdentities: identitiesOf(workload, hop.waypointService),
      };
    case 'gateway':
      return {
        kind: 'double-hbone',
        ...known,
        hboneAddress: { ip, port },
        authority: hop.authority,
        expectedIdentities: identitiesOf(workload, hop.gatewayService),
        innerIdentities: hop.innerIdentities,
        far: hop.far,
      };
  }
}

const HBONE: Port = parsePort(HBONE_PORT);

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

/** protocol.md 1.2: the workload's own identity and the names its service claims. */
function identitiesOf(workload: Workload, service: Service | undefined): readonly SpiffeId[] {
  const claimed = service === undefined ? NOBODY : claimedIdentities(service);
  if (claimed.length === 0) return ownIdentity(workload);
  return [...new Set([...ownIdentity(workload), ...claimed])];
}

const NOBODY: readonly SpiffeId[] = [];

/** The identities that a service says its endpoints have. Names that are none never match. */
export function claimedIdentities(service: Service): readonly SpiffeId[] {
  if (service.subjectAltNames.length === 0) return NOBODY;
  return service.subjectAltNames.map(toSpiffeId).filter((identity) => identity !== null);
}

function toSpiffeId(text: string): SpiffeId | null {
  try {
    return parseSpiffeId(text);
  } catch {
    return null;
  }
}
