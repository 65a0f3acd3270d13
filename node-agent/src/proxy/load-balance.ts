import {
  endpointPort,
  type MeshView,
  preferNear,
  type Service,
  takesConnections,
  takesEveryPort,
  type Workload,
  type WorkloadUid,
} from '@ambit/mesh/model';

/** An endpoint that may take the connection, with the port it serves the service port on. */
export interface EndpointCandidate {
  readonly workload: Workload;
  readonly targetPort: number;
}

export type EndpointSelection =
  | ({ readonly kind: 'selected' } & EndpointCandidate)
  | { readonly kind: 'none'; readonly reason: 'no-healthy-endpoint' | 'no-address' | WayRefusal };

/** Why no gateway leads to endpoints of other networks. */
type WayRefusal = 'no-network-gateway' | 'no-remote-tunnel';

/** What an endpoint is chosen by, beside the view. */
export interface SelectionInputs {
  /** [0, 1). */
  readonly random: () => number;
  /** How many connections lead to a workload already. */
  readonly openConnections: (uid: WorkloadUid) => number;
}

/**
 * What is looked for. A `waypoint` that takes every port need not have this one in its service, as nobody addresses it; a `gateway` to
 * another network is reached by its address, whatever network it says it is in.
 */
export type EndpointRole = 'destination' | 'waypoint' | 'gateway';

/**
 * Chooses the endpoint of one new connection (protocol.md 4.8): health policy, presence of the port, a way to get there, scopes; of those
 * that are left, two at random weighted by capacity, and of these the one with fewer open connections for its capacity. An endpoint of
 * another network has to take tunnels and needs a gateway that leads to it, every other one an address or a name to resolve.
 */
export function selectEndpoint(
  view: MeshView,
  source: Workload,
  service: Service,
  servicePort: number,
  role: EndpointRole,
  inputs: SelectionInputs,
): EndpointSelection {
  const candidates: EndpointCandidate[] = [];
  let hasNoAddress = false;
  let farRefusal: WayRefusal | null = null;
  for (const workload of view.endpoints(service.key)) {
    if (!takesConnections(workload, service)) continue;
    const targetPort = portOf(workload, service, servicePort, role);
    if (targetPort === 0) continue;
    if (role !== 'gateway' && workload.network !== source.network) {
      if (workload.networkGateway === undefined) farRefusal ??= 'no-network-gateway';
      else if (workload.tunnelProtocol === 'none') farRefusal = 'no-remote-tunnel';
      else candidates.push({ workload, targetPort });
    } else if (workload.addresses.length === 0 && workload.hostname === '') hasNoAddress = true;
    else candidates.push({ workload, targetPort });
  }
  const picked = pickLessLoaded(preferNear(candidates, source, service.loadBalancing), inputs);
  if (picked !== null) return { kind: 'selected', ...picked };
  if (candidates.length > 0) return { kind: 'none', reason: 'no-healthy-endpoint' };
  if (farRefusal !== null) return { kind: 'none', reason: farRefusal };
  return { kind: 'none', reason: hasNoAddress ? 'no-address' : 'no-healthy-endpoint' };
}

function portOf(workload: Workload, service: Service, servicePort: number, role: EndpointRole): number {
  const port = endpointPort(workload, service, servicePort);
  return port === 0 && role === 'waypoint' && takesEveryPort(workload) ? servicePort : port;
}

/** The fewer of two: random alone would send some endpoints twice their share, the fewest of all would send everything to a new one. */
function pickLessLoaded(
  candidates: readonly EndpointCandidate[],
  { random, openConnections }: SelectionInputs,
): EndpointCandidate | null {
  const first = pickByCapacity(candidates, null, random);
  if (first === null || candidates.length === 1) return first;
  const second = pickByCapacity(candidates, first, random) ?? first;
  const firstLoad = openConnections(first.workload.uid) * second.workload.capacity;
  const secondLoad = openConnections(second.workload.uid) * first.workload.capacity;
  return secondLoad < firstLoad ? second : first;
}

/** Random weighted by capacity, `except` left out. */
function pickByCapacity(
  candidates: readonly EndpointCandidate[],
  except: EndpointCandidate | null,
  random: () => number,
): EndpointCandidate | null {
  let total = 0;
  for (const candidate of candidates) if (candidate !== except) total += candidate.workload.capacity;
  let left = random() * total;
  let last: EndpointCandidate | null = null;
  for (const candidate of candidates) {
    if (candidate === except) continue;
    last = candidate;
    left -= candidate.workload.capacity;
    if (left < 0) return candidate;
  }
  return last;
}
