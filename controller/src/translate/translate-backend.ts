import type { BackendTlsPolicy, KubeService } from '@ambit/mesh/kinds';
import { serviceKey } from '@ambit/mesh/model';
import type { BackendSecurity, PortSecurity } from '@ambit/mesh/routes';
import { chooseTlsPolicy } from './choose-tls-policy.ts';
import { serviceHostname } from './mesh-settings.ts';
import { securityOfPolicy } from './resolve-authorities.ts';
import type { RouteWorld } from './route-world.ts';

export type BackendWorld = Pick<RouteWorld, 'settings' | 'tlsPolicies' | 'hasUnreadableTlsPolicy' | 'configMap'>;

const UNREADABLE: PortSecurity = { kind: 'invalid', reason: 'Invalid' };

/**
 * What waypoints are told of connections to a Service; null when no policy counts at any of its ports. What a policy
 * that cannot be read may have meant is closed: where no other policy counts, nothing is sent.
 */
export function translateBackend(service: KubeService, world: BackendWorld): BackendSecurity | null {
  // It has no endpoints of its own, and nothing is ever sent to it.
  if (service.type === 'ExternalName') return null;
  const { namespace, name } = service.meta;
  const isClosed = world.hasUnreadableTlsPolicy(namespace);
  const portsByPolicy = new Map<BackendTlsPolicy | null, number[]>();
  for (const port of service.ports.toSorted((a, b) => a.port - b.port)) {
    const policy = chooseTlsPolicy(service, port, world);
    if (policy === null && !(isClosed && port.protocol === 'TCP')) continue;
    const ports = portsByPolicy.get(policy);
    if (ports === undefined) portsByPolicy.set(policy, [port.port]);
    else ports.push(port.port);
  }
  if (portsByPolicy.size === 0) return null;
  const hostname = serviceHostname(name, namespace, world.settings);
  const secured = [...portsByPolicy].map(([policy, ports]) => ({
    ports,
    security: policy === null ? UNREADABLE : securityOfPolicy(policy, world),
  }));
  return { service: serviceKey({ namespace, hostname }), secured };
}
