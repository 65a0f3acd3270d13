import type { PolicyKey } from './access-policy.ts';
import type { IpAddress } from './address.ts';
import { type Brand, branded } from './brand.ts';
import type { LockedEgress } from './egress.ts';
import { ModelError } from './errors.ts';
import { isPrintable } from './name.ts';
import type { PodProbes } from './probe.ts';
import type { Service, ServiceKey, ServicePort } from './service.ts';
import { createSpiffeId, type SpiffeId, type TrustDomain } from './spiffe-id.ts';
import type { WaypointRef } from './waypoint-ref.ts';

/** `<cluster>//Pod/<namespace>/<name>` and its like: the xDS resource name of a workload (protocol.md 3.5). */
export type WorkloadUid = Brand<string, 'WorkloadUid'>;

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

export type TunnelProtocol = 'none' | 'hbone';

export interface Workload {
  readonly uid: WorkloadUid;
  readonly name: string;
  readonly namespace: string;
  readonly addresses: readonly IpAddress[];
  readonly hostname: string;
  readonly network: string;
  readonly tunnelProtocol: TunnelProtocol;
  readonly trustDomain: TrustDomain;
  readonly serviceAccount: string;
  readonly waypoint?: WaypointRef;
  readonly networkGateway?: WaypointRef;
  readonly node: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly workloadType: 'deployment' | 'cronjob' | 'pod' | 'job';
  readonly workloadName: string;
  readonly nativeTunnel: boolean;
  readonly applicationTunnel?: { readonly protocol: 'none' | 'proxy'; readonly port: number };
  /** Services this workload backs, with the ports as this endpoint maps them. */
  readonly services: ReadonlyMap<ServiceKey, readonly ServicePort[]>;
  /** Policies named for this workload beside those of its namespace and of the mesh. */
  readonly authorizationPolicies: readonly PolicyKey[];
  readonly status: 'healthy' | 'unhealthy';
  readonly clusterId: string;
  readonly locality: Locality;
  readonly networkMode: 'standard' | 'host-network';
  /** Relative share of new connections; the wire's absent value is 1. */
  readonly capacity: number;
  /** Known to the node of the workload alone, and only when it declares any. */
  readonly probes?: PodProbes;
  /** Known to the node of the workload alone. Absent: it may call everything. */
  readonly egress?: LockedEgress;
}

/** In the UID of a place outside the mesh, which an ExternalService names. */
export const EXTERNAL_PLACE = '/ambit.dev/ExternalService/';

const MAX_UID_LENGTH = 2048;

/** @throws ModelError `invalid-name` when empty, too long, or not printable. */
export function parseWorkloadUid(text: string): WorkloadUid {
  if (text.length > MAX_UID_LENGTH || !isPrintable(text)) {
    throw new ModelError('invalid-name', { value: text, expected: `1 to ${MAX_UID_LENGTH} printable characters` });
  }
  return branded(text);
}

/** Asked for on every connection; a workload object never changes. */
const identities = new WeakMap<object, SpiffeId>();

/** The identity the workload's SVID carries. */
export function workloadIdentity(workload: Pick<Workload, 'trustDomain' | 'namespace' | 'serviceAccount'>): SpiffeId {
  const known = identities.get(workload);
  if (known !== undefined) return known;
  const identity = createSpiffeId(workload);
  identities.set(workload, identity);
  return identity;
}

/** The port `workload` serves `servicePort` on: its own mapping, else the service's; 0 when neither names one. */
export function mappedPort(workload: Workload, service: Service, servicePort: number): number {
  const own = workload.services.get(service.key)?.find((port) => port.servicePort === servicePort);
  if (own !== undefined && own.targetPort !== 0) return own.targetPort;
  return service.ports.find((port) => port.servicePort === servicePort)?.targetPort ?? 0;
}
