import {
  endpointPort,
  type MeshView,
  preferNear,
  type Service,
  takesConnections,
  type Workload,
} from '@ambit/mesh/model';

/** An endpoint that may take the connection, with the port it serves the service port on. */
export interface EndpointCandidate {
  readonly workload: Workload;
  readonly targetPort: number;
}

export type EndpointSelection =
  | { readonly kind: 'selected'; readonly workload: Workload; readonly targetPort: number }
  | { readonly kind: 'none'; readonly reason: 'no-healthy-endpoint' | 'unsupported-network' };

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
  const local: EndpointCandidate[] = [];
  let remoteCount = 0;
  for (const workload of view.endpoints(service.key)) {
    if (!takesConnections(workload, service)) continue;
    const targetPort = endpointPort(workload, service, servicePort);
    if (targetPort === 0) continue;
    if (workload.network !== source.network) remoteCount++;
    else local.push({ workload, targetPort });
  }
  const picked = pickByCapacity(preferNear(local, source, service.loadBalancing), random);
  if (picked !== null) return { kind: 'selected', ...picked };
  return {
    kind: 'none',
    reason: remoteCount > 0 && local.length === 0 ? 'unsupported-network' : 'no-healthy-endpoint',
  };
}

/** Random weighted by capacity. */
function pickByCapacity(candidates: readonly EndpointCandidate[], random: () => number): EndpointCandidate | null {
  let total = 0;
  for (const candidate of candidates) total += candidate.workload.capacity;
  let left = random() * total;
  let last: EndpointCandidate | null = null;
  for (const candidate of candidates) {
    last = candidate;
    left -= candidate.workload.capacity;
    if (left < 0) return candidate;
  }
  return last;
}
