import type { NormalPath } from '../model/normal-path.ts';
import { Bucket } from './bucket.ts';
import type { Candidate } from './candidate.ts';
import type { RouteRequest } from './route-request.ts';

/** Where a candidate stands, in order of precedence. */
export type Place =
  | { readonly kind: 'exact'; readonly path: NormalPath }
  /** Whole segments; not the root. */
  | { readonly kind: 'prefix'; readonly path: NormalPath }
  /** The candidate's own test says. */
  | { readonly kind: 'test' }
  /** Every path. */
  | { readonly kind: 'any' };

interface Node<B> {
  readonly children: Map<string, Node<B>>;
  readonly candidates: Candidate<B>[];
  /** Null when no candidate stands here. */
  bucket: Bucket<B> | null;
}

/** Deeper than any prefix can be: a prefix has at most 1024 characters. */
const DEPTH_MAX = 512;

/** The candidates of one set of hostnames by path. A lookup takes one walk along the path, whatever there are. */
export class PathIndex<B> {
  readonly #exact = new Map<string, Bucket<B>>();
  readonly #root: Node<B> = emptyNode();
  #tested: Bucket<B> | null = null;
  #any: Bucket<B> | null = null;

  constructor(placed: readonly { readonly place: Place; readonly candidate: Candidate<B> }[]) {
    const exact = new Map<string, Candidate<B>[]>();
    const tested: Candidate<B>[] = [];
    const any: Candidate<B>[] = [];
    const nodes = new Set<Node<B>>();
    for (const { place, candidate } of placed) {
      switch (place.kind) {
        case 'exact':
          addTo(exact, place.path, candidate);
          break;
        case 'prefix': {
          const node = this.#grow(place.path);
          node.candidates.push(candidate);
          nodes.add(node);
          break;
        }
        case 'test':
          tested.push(candidate);
          break;
        case 'any':
          any.push(candidate);
      }
    }
    for (const [path, candidates] of exact) this.#exact.set(path, new Bucket(candidates));
    for (const node of nodes) node.bucket = new Bucket(node.candidates);
    if (tested.length > 0) this.#tested = new Bucket(tested);
    if (any.length > 0) this.#any = new Bucket(any);
  }

  find(request: RouteRequest): Candidate<B> | null {
    return (
      this.#exact.get(request.path)?.find(request) ??
      this.#findByPrefix(request) ??
      this.#tested?.find(request) ??
      this.#any?.find(request) ??
      null
    );
  }

  /** The longest first. */
  #findByPrefix(request: RouteRequest): Candidate<B> | null {
    const { path } = request;
    let node: Node<B> | undefined = this.#root;
    const met: Bucket<B>[] = [];
    for (let start = 1, depth = 0; depth < DEPTH_MAX && start <= path.length; depth++) {
      if (node.children.size === 0) break;
      const slash = path.indexOf('/', start);
      const end = slash === -1 ? path.length : slash;
      node = node.children.get(path.slice(start, end));
      if (node === undefined) break;
      if (node.bucket !== null) met.push(node.bucket);
      start = end + 1;
    }
    for (let index = met.length - 1; index >= 0; index--) {
      const found = met[index]?.find(request) ?? null;
      if (found !== null) return found;
    }
    return null;
  }

  #grow(path: NormalPath): Node<B> {
    let node = this.#root;
    for (const segment of path.slice(1).split('/')) {
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
  return { children: new Map(), candidates: [], bucket: null };
}
