import { AMBIT_DOMAIN, type BackendTlsPolicy } from '@ambit/mesh/kinds';
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
  { meta, roots }: BackendTlsPolicy,
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

const OWN_OPTIONS = `${AMBIT_DOMAIN}/`;

/** An option of ours that there is not, or null; those of others are theirs. */
export function unknownOption({ options }: BackendTlsPolicy): string | null {
  return [...options.keys()].find((name) => name.startsWith(OWN_OPTIONS)) ?? null;
}

/** What a policy comes to at the ports where it counts. */
export function securityOfPolicy(policy: BackendTlsPolicy, world: Pick<RouteWorld, 'configMap'>): PortSecurity {
  if (unknownOption(policy) !== null) return { kind: 'invalid', reason: 'Invalid' };
  const { roots } = resolveAuthorities(policy, world);
  if (roots === null) return { kind: 'invalid', reason: 'NoValidCACertificate' };
  return { kind: 'tls', serverName: policy.hostname, roots, altNames: policy.subjectAltNames };
}
