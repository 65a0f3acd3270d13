import { egressOf } from '@ambit/mesh/kinds';
import { type LockedEgress, NO_EGRESS } from '@ambit/mesh/model';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import type { Collection, Index, Reader } from './collection.ts';
import type { CollectionGraph, SourceCollection } from './collection-graph.ts';
import type { ObjectCollections } from './object-collections.ts';

/** How a derivation finds what workloads of a namespace may call outside the mesh; each read is a dependency. */
export class EgressSurroundings {
  /** Namespaces of policies that cannot be read, by object: nothing may be called there until they are mended. */
  readonly unreadable: SourceCollection<string>;
  readonly #rootNamespace: string;
  readonly #unreadableByNamespace: Index<string>;
  /** By the namespace of the policies; one value for all its workloads. */
  readonly #decided: Collection<{ readonly locked: LockedEgress | undefined }>;

  constructor(
    graph: CollectionGraph,
    objects: Pick<ObjectCollections, 'egressPolicies'>,
    { rootNamespace }: Pick<MeshSettings, 'rootNamespace'>,
  ) {
    this.#rootNamespace = rootNamespace;
    this.unreadable = graph.source('egress policies that cannot be read');
    this.#unreadableByNamespace = this.unreadable.index((namespace) => [namespace]);
    const byNamespace = objects.egressPolicies.index(({ meta }) => [meta.namespace]);
    this.#decided = graph.derive('egress of namespaces', byNamespace.groups, (policies) => ({
      locked: egressOf(policies),
    }));
  }

  /** Undefined: everything may be called. */
  of(namespace: string, read: Reader): LockedEgress | undefined {
    for (const scope of new Set([namespace, this.#rootNamespace])) {
      if (read.lookup(this.#unreadableByNamespace, scope).length > 0) return NO_EGRESS;
      const decided = read.get(this.#decided, scope);
      if (decided !== undefined) return decided.locked;
    }
    return undefined;
  }
}
