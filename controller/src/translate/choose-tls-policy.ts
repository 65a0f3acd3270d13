import type { BackendTlsPolicy, KubeService, KubeServicePort } from '@ambit/mesh/kinds';
import { compareAge, type RouteWorld } from './route-world.ts';

export type TlsPolicyTarget = BackendTlsPolicy['targets'][number];

/**
 * The policy that counts for a port of a Service, or null: one that names the port before one that names the whole Service,
 * then the oldest, then by namespace and name.
 */
export function chooseTlsPolicy(
  { meta }: KubeService,
  port: KubeServicePort,
  world: Pick<RouteWorld, 'tlsPolicies'>,
): BackendTlsPolicy | null {
  if (port.protocol !== 'TCP') return null;
  const policies = world.tlsPolicies(meta.namespace, meta.name).toSorted(compareAge);
  const naming = (section: string | null): BackendTlsPolicy | undefined =>
    policies.find(({ targets }) =>
      targets.some((target) => isService(target, meta.name) && target.sectionName === section),
    );
  return (port.name === '' ? undefined : naming(port.name)) ?? naming(null) ?? null;
}

/** Ports that a target means, whoever else means them. */
export function portsOf(target: TlsPolicyTarget, { ports }: KubeService): readonly KubeServicePort[] {
  const { sectionName } = target;
  return ports.filter(
    ({ name, protocol }) => protocol === 'TCP' && (sectionName === null || (name !== '' && name === sectionName)),
  );
}

/** Targets of other kinds are somebody else's. */
export function isService({ group, kind, name }: TlsPolicyTarget, service: string): boolean {
  return group === '' && kind === 'Service' && name === service;
}
