import type { Cidr, IpAddress } from './address.ts';
import { type Brand, branded } from './brand.ts';
import { ModelError } from './errors.ts';
import { isObjectName } from './name.ts';
import type { WaypointRef } from './waypoint-ref.ts';

/** `namespace/hostname`: the xDS resource name of a service (protocol.md 3.5). */
export type ServiceKey = Brand<string, 'ServiceKey'>;

export interface NamespacedHostname {
  readonly namespace: string;
  readonly hostname: string;
}

export type AppProtocol = 'unknown' | 'http1' | 'http2' | 'grpc' | 'tcp' | 'tls';

/** `targetPort` 0 on a service port means: resolved per endpoint. Ports are 0-65535 as the wire may carry 0. */
export interface ServicePort {
  readonly servicePort: number;
  readonly targetPort: number;
  readonly appProtocol: AppProtocol;
}

/** A virtual IP, or a block of them when `prefixLength` is set. */
export interface ServiceAddress {
  readonly network: string;
  readonly ip: IpAddress;
  readonly cidr?: Cidr;
}

export type BalanceScope = 'region' | 'zone' | 'subzone' | 'node' | 'cluster' | 'network';

export interface LoadBalancing {
  readonly mode: 'unspecified' | 'strict' | 'failover' | 'passthrough';
  readonly routingPreference: readonly BalanceScope[];
  readonly healthPolicy: 'only-healthy' | 'allow-all';
}

/** How a waypoint chooses among the endpoints that may be taken. */
export type BalanceAlgorithm = 'least-request' | 'round-robin' | 'random';

export interface Service {
  readonly key: ServiceKey;
  readonly name: string;
  readonly namespace: string;
  readonly hostname: string;
  readonly addresses: readonly ServiceAddress[];
  readonly ports: readonly ServicePort[];
  /** Names of ports that have one, as SRV records are asked for by them. */
  readonly portNames?: ReadonlyMap<string, number>;
  /** Identities accepted beside the workload's own (SPIFFE IDs as text; unparsable ones never match). */
  readonly subjectAltNames: readonly string[];
  readonly waypoint?: WaypointRef;
  /**
   * Where no waypoint stands before it: through which waypoint callers of a namespace go that has routes of its own to it, by
   * that namespace.
   */
  readonly callerWaypoints?: ReadonlyMap<string, WaypointRef>;
  readonly weightedWaypoints: readonly { readonly waypoint: WaypointRef; readonly weight: number }[];
  readonly loadBalancing?: LoadBalancing;
  /** Of what `loadBalancing` leaves; absent: nobody said. */
  readonly balanceBy?: BalanceAlgorithm;
  readonly ipFamilies: 'automatic' | 'ipv4-only' | 'ipv6-only' | 'dual';
  readonly canonical: boolean;
  readonly ingressUseWaypoint: boolean;
  readonly visibility: 'public' | 'namespace';
}

export function serviceKey(name: NamespacedHostname): ServiceKey {
  return branded(`${name.namespace}/${name.hostname}`);
}

/** @throws ModelError `invalid-name` on anything but `namespace/hostname`. */
export function parseServiceKey(text: string): ServiceKey {
  const slash = text.indexOf('/');
  if (slash === -1 || !isObjectName(text.slice(0, slash)) || !isObjectName(text.slice(slash + 1))) {
    throw new ModelError('invalid-name', { value: text, expected: 'namespace/hostname of a service' });
  }
  return branded(text);
}
