import type { BackendTlsPolicy, BackendValidation } from '@ambit/mesh/kinds';
import type { BackendTls, PortSecurity } from '@ambit/mesh/routes';
import type { RouteWorld } from './route-world.ts';

/** A reference that came to nothing. Reasons are those of condition ResolvedRefs. */
export interface AuthorityFault {
  readonly reason: 'InvalidCACertificateRef' | 'InvalidKind';
  readonly message: string;
}

export interface ResolvedAuthorities {
  /** Null: of all references none came to a certificate. */
  readonly roots: BackendTls['roots'] | null;
  readonly faults: readonly AuthorityFault[];
}

/** Characters of all roots of one policy together; a waypoint takes no more (`ROUTE_WIRE_LIMITS.rootsLength`). */
export const ROOTS_LENGTH_MAX: number = 1024 * 1024;

/** The roots that a policy names: those of ConfigMaps of its namespace, each certificate once, in order. */
export function resolveAuthorities(
  { meta }: BackendTlsPolicy,
  { roots }: BackendValidation,
  world: Pick<RouteWorld, 'configMap'>,
): ResolvedAuthorities {
  if (roots.kind === 'system') return { roots, faults: [] };
  let pem = '';
  const faults: AuthorityFault[] = [];
  for (const { group, kind, name } of roots.refs) {
    if (group !== '' || kind !== 'ConfigMap') {
      faults.push({
        reason: 'InvalidKind',
        message: `${kind} of group "${group}" holds no certificates that are read`,
      });
      continue;
    }
    const refuse = (why: string): number => faults.push({ reason: 'InvalidCACertificateRef', message: why });
    const label = `ConfigMap ${meta.namespace}/${name}`;
    const found = world.configMap(meta.namespace, name)?.authorities;
    if (found === undefined) refuse(`there is no ${label}`);
    else if (found.kind === 'none') refuse(`of ${label}: ${found.reason}`);
    else if (pem.length + found.pem.length > ROOTS_LENGTH_MAX) refuse(`with ${label} there are too many certificates`);
    else if (!pem.includes(found.pem)) pem += found.pem;
  }
  return { roots: pem === '' ? null : { kind: 'pem', pem }, faults };
}

/** What a policy comes to at the ports where it counts. */
export function securityOfPolicy(policy: BackendTlsPolicy, world: Pick<RouteWorld, 'configMap'>): PortSecurity {
  const { validation } = policy;
  if (validation.kind === 'fault') return { kind: 'invalid', reason: 'Invalid' };
  const { roots } = resolveAuthorities(policy, validation, world);
  if (roots === null) return { kind: 'invalid', reason: 'NoValidCACertificate' };
  return { kind: 'tls', serverName: validation.hostname, roots, altNames: validation.subjectAltNames };
}
