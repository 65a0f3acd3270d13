import type { ObjectChange, ObjectProblem } from '../kinds/object-source.ts';
import type { MeshObject, ObjectKey } from '../kinds/objects.ts';
import type { FileObject } from './parse-file.ts';

interface Claim extends FileObject {
  readonly path: string;
  /** The file went away a moment ago: its objects stay until that is certain, unless another file has them. */
  readonly fading: boolean;
}

/**
 * Which file's version of each object is in force when several define it: the first path in order, files that are fading
 * last. So the answer depends on the files alone, never on the order in which they were read.
 */
export class ObjectClaims {
  readonly #byKey = new Map<ObjectKey, readonly Claim[]>();
  readonly #inForce = new Map<ObjectKey, MeshObject>();
  readonly #disputed = new Set<ObjectKey>();

  /** Replaces what `path` defined. Answers the keys whose claims changed. */
  replace(
    path: string,
    before: ReadonlyMap<ObjectKey, FileObject>,
    after: ReadonlyMap<ObjectKey, FileObject>,
    fading: boolean,
  ): readonly ObjectKey[] {
    const touched: ObjectKey[] = [];
    for (const key of before.keys()) if (!after.has(key)) touched.push(key);
    touched.push(...after.keys());
    for (const key of touched) {
      const others = (this.#byKey.get(key) ?? []).filter((claim) => claim.path !== path);
      const own = after.get(key);
      const claims = own === undefined ? others : [...others, { ...own, path, fading }].sort(byPrecedence);
      if (claims.length === 0) this.#byKey.delete(key);
      else this.#byKey.set(key, claims);
      if (claims.filter((claim) => !claim.fading).length > 1) this.#disputed.add(key);
      else this.#disputed.delete(key);
    }
    return touched;
  }

  /** Brings the objects in force up to date for `keys` and answers what that changed. */
  settle(keys: Iterable<ObjectKey>): readonly ObjectChange[] {
    const changes: ObjectChange[] = [];
    for (const key of new Set(keys)) {
      const object = this.#byKey.get(key)?.[0]?.object;
      const before = this.#inForce.get(key);
      if (object === before) continue;
      if (object === undefined) {
        this.#inForce.delete(key);
        if (before !== undefined) changes.push({ kind: 'delete', key, last: before });
      } else {
        this.#inForce.set(key, object);
        changes.push({ kind: 'put', object });
      }
    }
    return changes;
  }

  /** One problem for every definition that is not in force because another file has the object too. */
  problems(): readonly ObjectProblem[] {
    return [...this.#disputed].flatMap((key) => {
      const [first, ...rest] = (this.#byKey.get(key) ?? []).filter((claim) => !claim.fading);
      if (first === undefined) return [];
      const reason = `${key} is already defined at ${first.path}:${first.line}, which is in force`;
      return rest.map(({ path, line }): ObjectProblem => ({ where: path, line, reason, key, severity: 'error' }));
    });
  }
}

function byPrecedence(a: Claim, b: Claim): number {
  if (a.fading !== b.fading) return a.fading ? 1 : -1;
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
