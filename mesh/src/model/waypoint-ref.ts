import type { IpAddress, Port } from './address.ts';
import type { NamespacedHostname } from './service.ts';

/** How a workload or service names its waypoint or gateway (protocol.md 3.3 `GatewayAddress`). */
export interface WaypointRef {
  readonly destination:
    | { readonly kind: 'hostname'; readonly hostname: NamespacedHostname }
    | { readonly kind: 'address'; readonly network: string; readonly ip: IpAddress };
  readonly hboneMtlsPort: Port;
}
