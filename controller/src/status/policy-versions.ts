import { type ObjectKey, objectKey } from '@ambit/mesh/kinds';
import type { Collection } from '../collections/collection.ts';
import type { ObjectCollections } from '../collections/object-collections.ts';
import type { ResourceStore } from '../push/resource-store.ts';
import type { OwnObject } from './decide-findings.ts';

/** When a version of an object came into force: who has everything up to these revisions of the stores has it. */
export interface VersionInForce {
  readonly uid: string;
  readonly generation: number;
  /** By type. */
  readonly revisions: ReadonlyMap<string, number>;
}

/**
 * Since which revision of what is pushed each version of our own objects has been in force. What a policy changes is not
 * one resource: workloads name it, and a mode has none of its own. But all of it is pushed with the commit that took it.
 */
export class PolicyVersions {
  readonly #stores: readonly ResourceStore[];
  readonly #inForce = new Map<ObjectKey, VersionInForce>();
  readonly #collections: readonly (readonly [OwnObject['kind'], Collection<OwnObject>])[];
  #changed = new Map<ObjectKey, OwnObject | undefined>();

  constructor(objects: ObjectCollections, stores: readonly ResourceStore[]) {
    this.#stores = stores;
    this.#collections = [
      ['AccessPolicy', objects.accessPolicies],
      ['MutualTLSPolicy', objects.mutualTlsPolicies],
      ['EgressPolicy', objects.egressPolicies],
      ['ExternalService', objects.externalServices],
      ['ExternalWorkload', objects.externalWorkloads],
    ];
    for (const [kind, collection] of this.#collections) {
      collection.onChange((keys) => {
        for (const key of keys) this.#changed.set(keyAt(kind, key), collection.get(key));
      });
      for (const [key, object] of collection.entries()) this.#changed.set(keyAt(kind, key), object);
    }
    this.committed();
  }

  /** To be called after each commit, when the stores hold it. */
  committed(): void {
    const changed = this.#changed;
    this.#changed = new Map();
    for (const [key, object] of changed) {
      if (object === undefined) {
        this.#inForce.delete(key);
        continue;
      }
      const { uid, generation } = object.meta;
      const before = this.#inForce.get(key);
      // Labels, annotations and our own status are no new version.
      if (before?.uid === uid && before.generation === generation && object.kind !== 'ExternalWorkload') continue;
      const revisions = new Map(this.#stores.map((store) => [store.typeUrl, store.revision]));
      this.#inForce.set(key, { uid, generation, revisions });
    }
  }

  /** Undefined when no version is in force. */
  get(key: ObjectKey): VersionInForce | undefined {
    return this.#inForce.get(key);
  }

  /** What is in force, by object. */
  entries(): Iterable<readonly [ObjectKey, VersionInForce]> {
    return this.#inForce;
  }

  /** Every object in force. */
  *objects(): Iterable<OwnObject> {
    for (const [, collection] of this.#collections) for (const [, object] of collection.entries()) yield object;
  }
}

/** Collections are keyed `namespace/name`. */
function keyAt(kind: OwnObject['kind'], key: string): ObjectKey {
  const slash = key.indexOf('/');
  return objectKey(kind, key.slice(0, slash), key.slice(slash + 1));
}
