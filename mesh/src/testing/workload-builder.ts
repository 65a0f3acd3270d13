import { parsePolicyKey } from '../model/access-policy.ts';
import { parseIpAddress, parsePort } from '../model/address.ts';
import { parseServiceKey, type ServicePort } from '../model/service.ts';
import { DEFAULT_TRUST_DOMAIN } from '../model/spiffe-id.ts';
import type { WaypointRef } from '../model/waypoint-ref.ts';
import { parseWorkloadUid, type Workload } from '../model/workload.ts';

/** What a test is about, in plain text; everything else gets the default of an ordinary enrolled pod. */
export interface WorkloadOptions
  extends Partial<Omit<Workload, 'uid' | 'addresses' | 'services' | 'authorizationPolicies'>> {
  readonly uid?: string;
  readonly addresses?: readonly string[];
  /** `namespace/hostname` to ports written as `80:8080`. */
  readonly services?: Readonly<Record<string, readonly string[]>>;
  /** `namespace/name` each. */
  readonly policies?: readonly string[];
}

/** A healthy HBONE pod `shop/web` at 10.0.0.1 of service account `web` on `node-1`, unless said otherwise. */
export function buildWorkload(options: WorkloadOptions = {}): Workload {
  const { uid, addresses = ['10.0.0.1'], services = {}, policies = [], ...rest } = options;
  const name = options.name ?? 'web';
  const namespace = options.namespace ?? 'shop';
  return {
    uid: parseWorkloadUid(uid ?? `cluster-1//Pod/${namespace}/${name}`),
    name,
    namespace,
    addresses: addresses.map(parseIpAddress),
    hostname: '',
    network: '',
    tunnelProtocol: 'hbone',
    trustDomain: DEFAULT_TRUST_DOMAIN,
    serviceAccount: name,
    node: 'node-1',
    canonicalName: name,
    canonicalRevision: 'latest',
    workloadType: 'pod',
    workloadName: name,
    nativeTunnel: false,
    services: new Map(
      Object.entries(services).map(([key, ports]) => [
        parseServiceKey(key),
        ports.map((port) => buildServicePort(port)),
      ]),
    ),
    authorizationPolicies: policies.map(parsePolicyKey),
    status: 'healthy',
    clusterId: 'cluster-1',
    locality: { region: '', zone: '', subzone: '' },
    networkMode: 'standard',
    capacity: 1,
    ...rest,
  };
}

/** `80:8080` maps port 80 of the service to 8080 of the workload; `80` alone to itself. */
export function buildServicePort(text: string): ServicePort {
  const [servicePort = '', targetPort = servicePort] = text.split(':');
  return { servicePort: Number(servicePort), targetPort: Number(targetPort), appProtocol: 'unknown' };
}

/** `namespace/hostname` or an IP address of the default network. */
export function buildWaypointRef(destination: string, hboneMtlsPort = 15008): WaypointRef {
  const [namespace = '', hostname] = destination.split('/');
  return {
    destination:
      hostname === undefined
        ? { kind: 'address', network: '', ip: parseIpAddress(destination) }
        : { kind: 'hostname', hostname: { namespace, hostname } },
    hboneMtlsPort: parsePort(hboneMtlsPort),
  };
}
