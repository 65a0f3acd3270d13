import type { NormalPath } from '../model/normal-path.ts';
import { Bucket, findAmong, rank, type Ranked } from './bucket.ts';
import type { Candidate } from './candidate.ts';
import type { RouteRequest } from './route-request.ts';

/** Where a candidate stands, in order of precedence. */
export type Place =
  | { readonly kind: 'exact'; readonly path: NormalPath }
  /** Whole segments; not the root. */
  | { readonly kind: 'prefix'; readonly path: NormalPath }
  /** The candidate's own test says, of paths that begin with `literal`. */
  | { readonly kind: 'test'; readonly literal: string }
  /** Every path. */
  | { readonly kind: 'any' };

interface Node<B> {
  readonly children: Map<string, Node<B>>;
  /** Those with this prefix; null for none. */
  bucket: Bucket<B> | null;
  /** Those with a test whose literal ends here; ranked with all others of the index. */
  tested: Ranked<B>[] | null;
}

interface PlacedCandidate<B> {
  readonly place: Place;
  readonly candidate: Candidate<B>;
}

/** Deeper than any prefix can be: a prefix has at most 1024 characters. */
const DEPTH_MAX = 512;

/** The candidates of one set of hostnames by path. A lookup takes one walk along the path, whatever there are. */
export class PathIndex<B> {
  readonly #exact: ReadonlyMap<string, Bucket<B>>;
  readonly #root: Node<B> = emptyNode();
  readonly #any: Bucket<B> | null;

  constructor(placed: readonly PlacedCandidate<B>[]) {
    const exact = new Map<string, Candidate<B>[]>();
    const prefixes = new Map<string, Candidate<B>[]>();
    const literals = new Map<Candidate<B>, string>();
    const any: Candidate<B>[] = [];
    for (const { place, candidate } of placed) {
      if (place.kind === 'exact') addTo(exact, place.path, candidate);
      else if (place.kind === 'prefix') addTo(prefixes, place.path, candidate);
      else if (place.kind === 'test') literals.set(candidate, place.literal);
      else any.push(candidate);
    }
    this.#exact = new Map([...exact].map(([path, candidates]) => [path, new Bucket(candidates)]));
    this.#any = any.length === 0 ? null : new Bucket(any);
    for (const [path, candidates] of prefixes) this.#grow(path.slice(1).split('/')).bucket = new Bucket(candidates);
    for (const ranked of rank([...literals.keys()])) {
      // The last piece of a literal may be a part of a segment.
      const segments = (literals.get(ranked.candidate) ?? '').slice(1).split('/').slice(0, -1);
      const node = this.#grow(segments);
      node.tested ??= [];
      node.tested.push(ranked);
    }
  }

  find(request: RouteRequest): Candidate<B> | null {
    // To look for a text is to hash it, which is not worth it where nothing can be found.
    const exact = this.#exact.size === 0 ? undefined : this.#exact.get(request.path);
    return exact?.find(request) ?? this.#findBelow(request) ?? this.#any?.find(request) ?? null;
  }

  /** Prefixes, the longest first, then tests. */
  #findBelow(request: RouteRequest): Candidate<B> | null {
    const { path } = request;
    let node: Node<B> | undefined = this.#root;
    if (node.children.size === 0 && node.bucket === null && node.tested === null) return null;
    const buckets: Bucket<B>[] = [];
    const tested: Ranked<B>[][] = [];
    for (let start = 1, depth = 0; depth < DEPTH_MAX; depth++) {
      if (node.bucket !== null) buckets.push(node.bucket);
      if (node.tested !== null) tested.push(node.tested);
      if (node.children.size === 0 || start > path.length) break;
      const slash = path.indexOf('/', start);
      const end = slash === -1 ? path.length : slash;
      node = node.children.get(path.slice(start, end));
      if (node === undefined) break;
      start = end + 1;
    }
    for (let index = buckets.length - 1; index >= 0; index--) {
      const found = buckets[index]?.find(request) ?? null;
      if (found !== null) return found;
    }
    return tested.length === 0 ? null : findAmong(tested, request);
  }

  #grow(segments: readonly string[]): Node<B> {
    let node = this.#root;
    for (const segment of segments) {
      let child = node.children.get(segment);
      if (child === undefined) {
        child = emptyNode();
        node.children.set(segment, child);
      }
      node = child;
    }
    return node;
  }
}

function addTo<B>(lists: Map<string, Candidate<B>[]>, key: string, candidate: Candidate<B>): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [candidate]);
  else list.push(candidate);
}

function emptyNode<B>(): Node<B> {
  return { children: new Map(), bucket: null, tested: null };
}
