import { EGRESS_BLOCKS_MAX, type LockedEgress } from '../model/egress.ts';
import type { EgressPolicy } from './objects.ts';

/**
 * What workloads of a namespace may call outside the mesh, by the policies of the namespace or, where it has none, of the mesh.
 * Undefined: everything.
 */
export function decideEgress(
  ofNamespace: readonly EgressPolicy[],
  ofMesh: readonly EgressPolicy[],
): LockedEgress | undefined {
  return egressOf(ofNamespace.length > 0 ? ofNamespace : ofMesh);
}

/** What the policies of one place come to together. The same ones give the same value, in whatever order. */
export function egressOf(policies: readonly EgressPolicy[]): LockedEgress | undefined {
  const refusing = policies
    .filter(({ unknownDestinations }) => unknownDestinations === 'Refuse')
    .toSorted((a, b) => (a.meta.name < b.meta.name ? -1 : 1));
  if (refusing.length === 0) return undefined;
  const allowed = refusing.flatMap(({ allow }) =>
    allow.flatMap(({ cidrs, ports }) => cidrs.map((block) => ({ block, ports }))),
  );
  // Cut off: refused, rather than a resource that no agent takes.
  return { allowed: allowed.slice(0, EGRESS_BLOCKS_MAX) };
}
