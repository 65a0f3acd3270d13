import { isDeepStrictEqual } from 'node:util';
import { KindError } from '../kinds/errors.ts';
import type { ObjectProblem } from '../kinds/object-source.ts';
import { type MeshKind, type MeshObject, type ObjectKey, objectKey } from '../kinds/objects.ts';
import { parseObject, type RawObject } from '../kinds/parse-object.ts';
import { isRecord, malformed } from './foreign-errors.ts';

/** What is known of one object of the API server. */
interface Entry {
  readonly uid: string;
  readonly resourceVersion: string;
  /** The last version that could be read; null when none could. */
  readonly object: MeshObject | null;
  /** Why the present version is not `object`. */
  readonly problem: ObjectProblem | null;
}

/** Told about each change of an object in force: what it was and what it is, null for absent. */
export type StoreListener = (key: ObjectKey, before: MeshObject | null, after: MeshObject | null) => void;

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** Ambit reads no annotation that is longer; some controllers keep whole documents in one. */
const ANNOTATION_CHARACTERS_MAX = 1024;

/**
 * The objects of one kind, parsed, with only the fields that Ambit reads: the JSON is let go at once. Bounded in number:
 * what comes beyond is refused, reported, and looked for again by the next list.
 */
export class KindStore {
  readonly #kind: MeshKind;
  readonly #objectsMax: number;
  readonly #listener: StoreListener;
  readonly #entries = new Map<ObjectKey, Entry>();
  /** Keys of entries with a problem. */
  readonly #broken = new Set<ObjectKey>();
  /** While a list comes in: what it has not named yet. */
  #unseen: Set<ObjectKey> | null = null;
  #refused = 0;

  constructor(kind: MeshKind, objectsMax: number, listener: StoreListener) {
    this.#kind = kind;
    this.#objectsMax = objectsMax;
    this.#listener = listener;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Objects exist that there was no room for when they came. */
  get incomplete(): boolean {
    return this.#refused > 0;
  }

  /** A list begins; a former one that did not end is forgotten. */
  beginList(): void {
    this.#unseen = new Set(this.#entries.keys());
    this.#refused = 0;
  }

  /** The list is whole: what it did not name is gone. */
  endList(): void {
    for (const key of this.#unseen ?? []) this.#remove(key);
    this.#unseen = null;
  }

  /** @throws KubeApiError `malformed-response` for an object without name, uid or version. */
  put(raw: RawObject): void {
    const { key, uid, resourceVersion } = this.#identify(raw);
    this.#unseen?.delete(key);
    const known = this.#entries.get(key);
    if (known?.resourceVersion === resourceVersion) return;
    if (known === undefined && this.#entries.size >= this.#objectsMax) {
      this.#refused += 1;
      return;
    }
    // An object of the same name may be another one: nothing of it was ever good.
    const lastGood = known?.uid === uid ? known.object : null;
    const { object, problem } = this.#parse(raw, key, lastGood);
    this.#entries.set(key, { uid, resourceVersion, object, problem });
    if (problem === null) this.#broken.delete(key);
    else this.#broken.add(key);
    const before = known?.object ?? null;
    if (before !== object) this.#listener(key, before, object);
  }

  remove(raw: RawObject): void {
    this.#remove(this.#identify(raw).key);
  }

  /** The kind is served no more. */
  clear(): void {
    this.#refused = 0;
    for (const key of [...this.#entries.keys()]) this.#remove(key);
  }

  problems(): readonly ObjectProblem[] {
    const problems = [...this.#broken].flatMap((key) => this.#entries.get(key)?.problem ?? []);
    if (this.#refused === 0) return problems;
    const reason = `there are ${this.#refused} more than the ${this.#objectsMax} that are kept: those are not in force`;
    return [...problems, { where: this.#kind, reason, severity: 'error' }];
  }

  #remove(key: ObjectKey): void {
    const known = this.#entries.get(key);
    if (known === undefined) return;
    this.#entries.delete(key);
    this.#broken.delete(key);
    if (known.object !== null) this.#listener(key, known.object, null);
  }

  #identify(raw: RawObject): { readonly key: ObjectKey; readonly uid: string; readonly resourceVersion: string } {
    const metadata = isRecord(raw) ? raw['metadata'] : undefined;
    const { name, namespace = '', uid, resourceVersion } = isRecord(metadata) ? metadata : {};
    if (
      typeof name !== 'string' ||
      typeof namespace !== 'string' ||
      typeof uid !== 'string' ||
      typeof resourceVersion !== 'string'
    ) {
      throw malformed(`read ${this.#kind}`, 'an object without name, uid or version');
    }
    return { key: objectKey(this.#kind, namespace, name), uid, resourceVersion };
  }

  #parse(raw: RawObject, key: ObjectKey, lastGood: MeshObject | null): Pick<Entry, 'object' | 'problem'> {
    try {
      const object = parseObject(withoutLongAnnotations(raw));
      if (object === null) throw malformed(`read ${this.#kind}`, 'an object of another kind');
      // Much of what changes in an object is nothing that Ambit reads.
      return { object: isDeepStrictEqual(object, lastGood) ? lastGood : object, problem: null };
    } catch (error) {
      // One object that trips us up must not keep all others of its kind from coming in.
      const reason = error instanceof KindError ? error.message : `it cannot be read: ${String(error)}`;
      return { object: lastGood, problem: { where: key, reason, key, severity: 'error' } };
    }
  }
}

function withoutLongAnnotations(raw: RawObject): RawObject {
  if (!isRecord(raw) || !isRecord(raw['metadata']) || !isRecord(raw['metadata']['annotations'])) return raw;
  const kept = Object.entries(raw['metadata']['annotations']).filter(
    ([name, value]) =>
      name !== LAST_APPLIED && !(typeof value === 'string' && value.length > ANNOTATION_CHARACTERS_MAX),
  );
  return { ...raw, metadata: { ...raw['metadata'], annotations: Object.fromEntries(kept) } };
}
