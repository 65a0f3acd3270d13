import {
  addresseeOf,
  authorize,
  ipFamily,
  mappedPort,
  parseIpAddress,
  parsePort,
  preferredService,
  serviceKey,
  type AuthorizationDecision,
  type IpAddress,
  type MeshView,
  type Port,
  type Probe,
  type Service,
  type SocketAddress,
  type SpiffeId,
  type WaypointRef,
  type Workload,
} from '@ambit/mesh/model';
import { type Authority, parseAuthority, WireError } from '@ambit/mesh/wire';
import { isIllegalPort } from './illegal-ports.ts';

/** A connection that reached a captured pod, as far as the kernel and TLS vouch for it. */
export interface InboundConnection {
  /** TCP peer. */
  readonly source: SocketAddress;
  /** What the peer dialled: the pod's address, and 15008 for a tunnel or the application's port in plaintext. */
  readonly destination: SocketAddress;
  /** From the verified client certificate; null in plaintext. */
  readonly peer: SpiffeId | null;
  /** Further identities that count as `peer`: of aliases of the trust domain. */
  readonly peerAliases?: readonly SpiffeId[];
}

export type AdmissionRefusal =
  | 'not-answered'
  | 'bad-authority'
  | 'authority-mismatch'
  | 'unknown-workload'
  | 'unknown-hostname'
  | 'unresolvable-port'
  | 'hostname-without-address'
  | 'illegal-port'
  | 'deny-policy-matched'
  | 'no-allow-policy-matched'
  | 'policy-not-received';

/** PROXY v2 header to write before the stream's bytes: the application takes its tunnelled connections on one port. */
export interface ApplicationTunnelTarget {
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly sourceIdentity?: SpiffeId;
}

/**
 * The permit to dial `target` for this connection, or the answer to give. `decision` is what policy said, with the
 * verdicts of dry-run policies. The flag is the metric's response flag.
 */
export type Admission =
  | {
      readonly kind: 'allowed';
      readonly workload: Workload;
      /** What policy was asked about: the pod's address and the port that the application takes this connection on. */
      readonly policyTarget: SocketAddress;
      /** Where to dial; differs from `policyTarget` only for an application tunnel, by its loopback address. */
      readonly target: SocketAddress;
      /** The service the authority named. */
      readonly service?: Service;
      readonly applicationTunnel?: ApplicationTunnelTarget;
      readonly decision: AuthorizationDecision;
    }
  | {
      readonly kind: 'refused';
      readonly status: 400 | 401 | 503;
      readonly flag: '-' | 'DENY';
      readonly reason: AdmissionRefusal;
      readonly workload?: Workload;
      readonly decision?: AuthorizationDecision;
    };

/** The permit to serve a connection that policy refuses as one of `probes`, and as nothing else. */
export interface ProbeAdmission {
  readonly kind: 'probe';
  readonly workload: Workload;
  /** The probed port. */
  readonly policyTarget: SocketAddress;
  /** What the pod declares for that port; never empty. */
  readonly probes: readonly Probe[];
  /** Why it is no more than that. */
  readonly reason: AdmissionRefusal;
  readonly decision: AuthorizationDecision;
}

/** The answer where nobody has said in time what the admission depends on. */
export const NOT_ANSWERED: Extract<Admission, { kind: 'refused' }> = refused(503, 'not-answered');

const NO_ALIASES: readonly SpiffeId[] = [];
const LOOPBACK_V4: IpAddress = parseIpAddress('127.0.0.1');
const LOOPBACK_V6: IpAddress = parseIpAddress('::1');

/**
 * Admits one CONNECT with `authorityText` to the captured `workload`, which is undefined while it is unknown
 * (protocol.md 1.5, in its order; the tunnel answered other methods before): authority, local workload, authority
 * against the connection's own destination, port mapping, illegal ports, then policy. Nothing of the request but the
 * authority is read, and of that only its port decides where the connection goes. The port of an application tunnel replaces it,
 * for policy too, as ztunnel has it.
 */
export function admitInbound(
  view: MeshView,
  workload: Workload | undefined,
  connection: InboundConnection,
  authorityText: string,
  settings: { readonly localhostApplicationTunnel: boolean },
): Admission {
  const authority = readAuthority(authorityText);
  if (authority === null) return refused(400, 'bad-authority');
  if (workload === undefined) return refused(503, 'unknown-workload');
  const addressed = resolveAuthority(view, workload, connection.destination.ip, authority);
  if (addressed.kind === 'refused') return { ...addressed, workload };
  const policyTarget: SocketAddress = {
    ip: connection.destination.ip,
    port: applicationPort(workload, addressed.port),
  };
  if (isIllegalPort(addressed.port) || isIllegalPort(policyTarget.port)) {
    return { ...refused(503, 'illegal-port'), workload };
  }
  const header = tunnelHeader(workload, connection, addressed);
  if (header === 'no-address') return { ...refused(503, 'hostname-without-address'), workload };
  const decision = reauthorize(view, workload, connection, policyTarget);
  if (decision.verdict === 'deny') return denied(workload, decision);
  const target = header !== null && settings.localhostApplicationTunnel ? onLoopback(policyTarget) : policyTarget;
  return allowed({ kind: 'allowed', workload, policyTarget, target, decision }, header, addressed.service);
}

/**
 * Admits one captured plaintext connection: it has no identity and keeps its original destination (protocol.md 4.10). What policy
 * refuses may still probe the pod when it comes from the node itself: from one of `nodeAddresses`, as the CNI agent
 * found them, or of those the controller knows.
 */
export function admitPlaintext(
  view: MeshView,
  workload: Workload | undefined,
  connection: InboundConnection & { readonly peer: null },
  nodeAddresses: readonly IpAddress[],
): Admission | ProbeAdmission {
  if (workload === undefined) return refused(503, 'unknown-workload');
  const target = connection.destination;
  if (isIllegalPort(target.port)) return { ...refused(503, 'illegal-port'), workload };
  const decision = reauthorize(view, workload, connection, target);
  if (decision.verdict === 'allow') return { kind: 'allowed', workload, policyTarget: target, target, decision };
  const probes = isFromNode(view, workload, connection.source.ip, nodeAddresses) ? probesOf(workload, target.port) : [];
  if (probes.length === 0) return denied(workload, decision);
  return { kind: 'probe', workload, policyTarget: target, probes, reason: decision.reason, decision };
}

/** What the mesh knows as a workload's is no node's, whatever was guessed. */
function isFromNode(
  view: MeshView,
  workload: Workload,
  source: IpAddress,
  nodeAddresses: readonly IpAddress[],
): boolean {
  const isClaimed = nodeAddresses.includes(source) || workload.probes?.nodeAddresses.includes(source) === true;
  return isClaimed && view.workloadByAddress(workload.network, source) === undefined;
}

function probesOf({ probes }: Workload, port: Port): readonly Probe[] {
  return probes?.probes.filter((probe) => probe.port === port) ?? [];
}

/** Asks policy about a connection to `policyTarget`: at admission, and again after each change of policy. */
export function reauthorize(
  view: MeshView,
  workload: Workload,
  connection: InboundConnection,
  policyTarget: SocketAddress,
): AuthorizationDecision {
  const { source, peer, peerAliases = NO_ALIASES } = connection;
  const sourceIp = source.ip;
  const destinationIp = policyTarget.ip;
  const destinationPort = policyTarget.port;
  const facts =
    peer === null
      ? { sourceIp, destinationIp, destinationPort }
      : { sourceIp, destinationIp, destinationPort, sourceIdentity: peer, sourceAliases: peerAliases };
  return authorize(facts, view.policiesFor(workload));
}

type Addressed =
  | { readonly kind: 'resolved'; readonly port: Port; readonly authority: Authority; readonly service?: Service }
  | Extract<Admission, { kind: 'refused' }>;

function readAuthority(text: string): Authority | null {
  try {
    return parseAuthority(text);
  } catch (error) {
    if (error instanceof WireError) return null;
    throw error;
  }
}

function resolveAuthority(
  view: MeshView,
  workload: Workload,
  destinationIp: IpAddress,
  authority: Authority,
): Addressed {
  return authority.kind === 'address'
    ? resolveAddress(view, workload, destinationIp, authority)
    : resolveHostname(view, workload, authority);
}

function resolveAddress(
  view: MeshView,
  workload: Workload,
  destinationIp: IpAddress,
  authority: Authority & { readonly kind: 'address' },
): Addressed {
  const { ip, port } = authority.address;
  if (authority.address.ip !== destinationIp && !mayDiffer(view, workload, ip))
    return refused(400, 'authority-mismatch');
  return { kind: 'resolved', port, authority };
}

function mayDiffer(view: MeshView, workload: Workload, ip: IpAddress): boolean {
  return workload.applicationTunnel !== undefined || isWaypointFor(view, workload, ip);
}

/** True when what lives at `ip` names `workload` as its waypoint. */
function isWaypointFor(view: MeshView, workload: Workload, ip: IpAddress): boolean {
  const addressee = addresseeOf(view, workload.network, ip);
  if (addressee === undefined) return false;
  if (addressee.kind === 'workload') {
    const { waypoint } = addressee.workload;
    return waypoint !== undefined && refersTo(view, waypoint, workload);
  }
  return isWaypointOf(view, addressee.service, workload);
}

/** True when `workload` is a waypoint of the service, for all of its callers or some. */
export function isWaypointOf(view: MeshView, service: Service, workload: Workload): boolean {
  const { waypoint, weightedWaypoints, callerWaypoints } = service;
  if (waypoint !== undefined && refersTo(view, waypoint, workload)) return true;
  if (weightedWaypoints.some((candidate) => refersTo(view, candidate.waypoint, workload))) return true;
  if (callerWaypoints === undefined) return false;
  for (const ref of callerWaypoints.values()) if (refersTo(view, ref, workload)) return true;
  return false;
}

/** True when `workload` is what `ref` names, or a part of it. */
export function refersTo(view: MeshView, ref: WaypointRef, workload: Workload): boolean {
  const to = ref.destination;
  if (to.kind === 'hostname') {
    return workload.services.has(serviceKey(to.hostname)) || view.workloadByHostname(to.hostname)?.uid === workload.uid;
  }
  const service = view.serviceByAddress(to.network, to.ip);
  if (service !== undefined) return workload.services.has(service.key);
  return to.network === workload.network && workload.addresses.includes(to.ip);
}

function resolveHostname(
  view: MeshView,
  workload: Workload,
  authority: Authority & { readonly kind: 'hostname' },
): Addressed {
  const service = preferredService(view.servicesByHostname(authority.hostname), workload.namespace);
  if (service === undefined) {
    if (workload.hostname !== authority.hostname) return refused(503, 'unknown-hostname');
    return { kind: 'resolved', port: authority.port, authority };
  }
  const port = mappedPort(workload, service, authority.port);
  return port === 0
    ? refused(503, 'unresolvable-port')
    : { kind: 'resolved', port: parsePort(port), authority, service };
}

/** An application that takes tunnelled connections on one port has that port, whatever was asked for. */
function applicationPort({ applicationTunnel: tunnel }: Workload, port: Port): Port {
  return tunnel === undefined || tunnel.port === 0 ? port : parsePort(tunnel.port);
}

/** Where nobody else can pose as the agent: an application that believes PROXY headers listens there only. */
function onLoopback({ ip, port }: SocketAddress): SocketAddress {
  return { ip: ipFamily(ip) === 6 ? LOOPBACK_V6 : LOOPBACK_V4, port };
}

/** What the application is told the peer asked for; null when it is told nothing. */
function tunnelHeader(
  workload: Workload,
  connection: InboundConnection,
  addressed: Extract<Addressed, { kind: 'resolved' }>,
): ApplicationTunnelTarget | 'no-address' | null {
  if (workload.applicationTunnel?.protocol !== 'proxy') return null;
  const { authority } = addressed;
  const ip = addressOfAuthority(workload, connection.destination.ip, addressed);
  if (ip === undefined) return 'no-address';
  return {
    source: connection.source,
    destination: { ip, port: authority.kind === 'address' ? authority.address.port : authority.port },
    ...(connection.peer === null ? {} : { sourceIdentity: connection.peer }),
  };
}

/** For a hostname the service's VIP: of the workload's network first, IPv4 first. The header cannot say a name. */
function addressOfAuthority(
  workload: Workload,
  ownIp: IpAddress,
  { authority, service }: Extract<Addressed, { kind: 'resolved' }>,
): IpAddress | undefined {
  if (authority.kind === 'address') return authority.address.ip;
  if (service === undefined) return ownIp;
  const rank = (vip: { readonly network: string; readonly ip: IpAddress }): number =>
    (vip.network === workload.network ? 0 : 2) + (ipFamily(vip.ip) === 4 ? 0 : 1);
  return service.addresses.toSorted((a, b) => rank(a) - rank(b))[0]?.ip;
}

/** Most connections have neither: their admission is used as it is. */
function allowed(
  admission: Extract<Admission, { kind: 'allowed' }>,
  applicationTunnel: ApplicationTunnelTarget | null,
  service: Service | undefined,
): Admission {
  if (service === undefined && applicationTunnel === null) return admission;
  return {
    ...admission,
    ...(service === undefined ? {} : { service }),
    ...(applicationTunnel === null ? {} : { applicationTunnel }),
  };
}

function denied(workload: Workload, decision: AuthorizationDecision & { readonly verdict: 'deny' }): Admission {
  return { kind: 'refused', status: 401, flag: 'DENY', reason: decision.reason, workload, decision };
}

function refused(status: 400 | 503, reason: AdmissionRefusal): Extract<Admission, { kind: 'refused' }> {
  return { kind: 'refused', status, flag: '-', reason };
}
