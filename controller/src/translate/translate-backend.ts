import type { BackendTlsPolicy } from '@ambit/mesh/kinds';
import type { BackendSecurity, PortSecurity } from '@ambit/mesh/routes';
import { chooseTlsPolicy } from './choose-tls-policy.ts';
import { securityOfPolicy } from './resolve-authorities.ts';
import type { RouteWorld } from './route-world.ts';
import { frontKey, type ServiceFront } from './service-front.ts';

export type BackendWorld = Pick<RouteWorld, 'settings' | 'tlsPolicies' | 'hasUnreadableTlsPolicy' | 'configMap'>;

const UNREADABLE: PortSecurity = { kind: 'invalid', reason: 'Invalid' };

/**
 * What waypoints are told of connections to a Service; null when no policy counts at any of its ports. What a policy
 * that cannot be read may have meant is closed: where no other policy counts, nothing is sent.
 */
export function translateBackend(service: ServiceFront, world: BackendWorld): BackendSecurity | null {
  // It has no endpoints of its own, and nothing is ever sent to it.
  if (service.type === 'ExternalName') return null;
  const { namespace } = service.meta;
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
  const secured = [...portsByPolicy].map(([policy, ports]) => ({
    ports,
    security: policy === null ? UNREADABLE : securityOfPolicy(policy, world),
  }));
  return { service: frontKey(service, world.settings), secured };
}
