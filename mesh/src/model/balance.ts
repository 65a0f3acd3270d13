import type { BalanceScope, LoadBalancing, Service } from './service.ts';
import { mappedPort, type Workload } from './workload.ts';

/** Where somebody is, as far as nearness is compared. */
export type Place = Pick<Workload, 'locality' | 'node' | 'clusterId' | 'network'>;

/** Whether the workload takes new connections, by its capacity and the service's health policy. */
export function takesConnections(workload: Workload, service: Service): boolean {
  if (workload.capacity <= 0) return false;
  return workload.status === 'healthy' || service.loadBalancing?.healthPolicy === 'allow-all';
}

/**
 * The port `workload` serves a port of its service on; 0 when it does not. One whose ports all arrive in one tunnel serves every port,
 * under its own number: where the tunnel ends is the affair of its own agent.
 */
export function endpointPort(workload: Workload, service: Service, servicePort: number): number {
  const mapped = mappedPort(workload, service, servicePort);
  if (mapped !== 0 || !service.ports.some((port) => port.servicePort === servicePort)) return mapped;
  return takesEveryPort(workload) ? servicePort : 0;
}

/** All its ports arrive in one tunnel of its application. */
export function takesEveryPort({ applicationTunnel }: Workload): boolean {
  return applicationTunnel !== undefined && applicationTunnel.port !== 0;
}

/**
 * Those of the candidates that somebody at `source` may be sent to (protocol.md 4.8). STRICT: every scope must match. FAILOVER:
 * only those with the longest run of leading matching scopes; where the network comes first, all of the same network come before all
 * others, which are told apart by the scopes that follow.
 */
export function preferNear<E extends { readonly workload: Place }>(
  candidates: readonly E[],
  source: Place,
  balancing: LoadBalancing | undefined,
): readonly E[] {
  if (balancing === undefined || (balancing.mode !== 'strict' && balancing.mode !== 'failover')) return candidates;
  const scopes = balancing.routingPreference;
  if (scopes.length === 0) return candidates;
  if (balancing.mode === 'strict') {
    return candidates.filter(({ workload }) => leadingMatches(scopes, 0, source, workload) === scopes.length);
  }
  let best = -1;
  let kept: E[] = [];
  for (const candidate of candidates) {
    const rank = nearness(scopes, source, candidate.workload);
    if (rank > best) {
      best = rank;
      kept = [];
    }
    if (rank === best) kept.push(candidate);
  }
  return kept;
}

function nearness(scopes: readonly BalanceScope[], source: Place, destination: Place): number {
  if (scopes[0] !== 'network') return leadingMatches(scopes, 0, source, destination);
  const behindNetwork = leadingMatches(scopes, 1, source, destination);
  return source.network === destination.network ? scopes.length + behindNetwork : behindNetwork;
}

/** How many scopes match from `first` on before one does not. */
function leadingMatches(scopes: readonly BalanceScope[], first: number, source: Place, destination: Place): number {
  let at = first;
  for (let scope = scopes[at]; scope !== undefined && scopeMatches(scope, source, destination); scope = scopes[at])
    at++;
  return at - first;
}

function scopeMatches(scope: BalanceScope, source: Place, destination: Place): boolean {
  switch (scope) {
    case 'region':
    case 'zone':
    case 'subzone':
      return source.locality[scope] === destination.locality[scope];
    case 'node':
      return source.node === destination.node;
    case 'cluster':
      return source.clusterId === destination.clusterId;
    case 'network':
      return source.network === destination.network;
  }
}
