import { type LoadBalancing, mappedPort, type MeshView, type Service, type Workload } from '@ambit/mesh/model';

/** An endpoint that may take the connection, with the port it serves the service port on. */
export interface EndpointCandidate {
  readonly workload: Workload;
  readonly targetPort: number;
}

export type EndpointSelection =
  | { readonly kind: 'selected'; readonly workload: Workload; readonly targetPort: number }
  | { readonly kind: 'none'; readonly reason: 'no-healthy-endpoint' | 'unsupported-network' };

const DEFAULT_BALANCING: LoadBalancing = { mode: 'unspecified', routingPreference: [], healthPolicy: 'only-healthy' };

/**
 * Chooses the endpoint of one new connection (protocol.md 4.8): health policy, presence of the port, scopes, then
 * random weighted by capacity. `random` gives [0, 1). Endpoints of other networks are never chosen.
 */
export function selectEndpoint(
  view: MeshView,
  source: Workload,
  service: Service,
  servicePort: number,
  random: () => number,
): EndpointSelection {
  const balancing = service.loadBalancing ?? DEFAULT_BALANCING;
  const local: EndpointCandidate[] = [];
  let remoteCount = 0;
  for (const workload of view.endpoints(service.key)) {
    if (balancing.healthPolicy === 'only-healthy' && workload.status !== 'healthy') continue;
    const targetPort = endpointPort(workload, service, servicePort);
    if (targetPort === 0) continue;
    if (workload.network !== source.network) remoteCount++;
    else local.push({ workload, targetPort });
  }
  const picked = pickByCapacity(preferScopes(local, source, balancing), random);
  if (picked !== null) return { kind: 'selected', ...picked };
  return {
    kind: 'none',
    reason: remoteCount > 0 && local.length === 0 ? 'unsupported-network' : 'no-healthy-endpoint',
  };
}

/** An endpoint whose ports all arrive in one application tunnel serves every port its service has. */
function endpointPort(workload: Workload, service: Service, servicePort: number): number {
  const mapped = mappedPort(workload, service, servicePort);
  if (mapped !== 0 || !service.ports.some((port) => port.servicePort === servicePort)) return mapped;
  return workload.applicationTunnel?.port ?? 0;
}

/** STRICT: every scope must match. FAILOVER: only those with the longest run of leading matching scopes. */
function preferScopes(
  candidates: readonly EndpointCandidate[],
  source: Workload,
  balancing: LoadBalancing,
): readonly EndpointCandidate[] {
  const scopes = balancing.routingPreference;
  if (scopes.length === 0 || (balancing.mode !== 'strict' && balancing.mode !== 'failover')) return candidates;
  if (balancing.mode === 'strict') {
    return candidates.filter((candidate) => leadingMatches(scopes, source, candidate.workload) === scopes.length);
  }
  let best = -1;
  let kept: EndpointCandidate[] = [];
  for (const candidate of candidates) {
    const rank = leadingMatches(scopes, source, candidate.workload);
    if (rank > best) {
      best = rank;
      kept = [];
    }
    if (rank === best) kept.push(candidate);
  }
  return kept;
}

function leadingMatches(scopes: LoadBalancing['routingPreference'], source: Workload, destination: Workload): number {
  for (let i = 0; i < scopes.length; i++) {
    const scope = scopes[i];
    if (scope === undefined || !scopeMatches(scope, source, destination)) return i;
  }
  return scopes.length;
}

function scopeMatches(
  scope: LoadBalancing['routingPreference'][number],
  source: Workload,
  destination: Workload,
): boolean {
  switch (scope) {
    case 'region':
      return source.locality.region === destination.locality.region;
    case 'zone':
      return source.locality.zone === destination.locality.zone;
    case 'subzone':
      return source.locality.subzone === destination.locality.subzone;
    case 'node':
      return source.node === destination.node;
    case 'cluster':
      return source.clusterId === destination.clusterId;
    case 'network':
      return source.network === destination.network;
  }
}

/** Random weighted by capacity; an endpoint of capacity 0 takes no new connections. */
function pickByCapacity(candidates: readonly EndpointCandidate[], random: () => number): EndpointCandidate | null {
  let total = 0;
  for (const candidate of candidates) total += candidate.workload.capacity;
  if (total <= 0) return null;
  let left = random() * total;
  let last: EndpointCandidate | null = null;
  for (const candidate of candidates) {
    if (candidate.workload.capacity <= 0) continue;
    last = candidate;
    left -= candidate.workload.capacity;
    if (left < 0) return candidate;
  }
  return last;
}
