import { type Candidate, candidateHolds, comparePrecedence } from './candidate.ts';
import { queryParam } from './query-param.ts';
import type { RouteRequest } from './route-request.ts';

/** From here on a bucket is split by the header or query parameter that most of its candidates ask for. */
const SPLIT_FROM = 8;

/** A candidate and its place among those it is ordered with. */
export interface Ranked<B> {
  readonly candidate: Candidate<B>;
  readonly place: number;
}

/** By precedence. */
export function rank<B>(candidates: readonly Candidate<B>[]): readonly Ranked<B>[] {
  return candidates
    .toSorted((a, b) => comparePrecedence(a.precedence, b.precedence))
    .map((candidate, place) => ({ candidate, place }));
}

/** The first that holds of lists that were ranked together. */
export function findAmong<B>(lists: readonly (readonly Ranked<B>[])[], request: RouteRequest): Candidate<B> | null {
  const at = lists.map(() => 0);
  for (;;) {
    let next: Ranked<B> | undefined;
    let from = 0;
    for (const [index, list] of lists.entries()) {
      const head = list[at[index] ?? 0];
      if (head === undefined || (next !== undefined && next.place < head.place)) continue;
      next = head;
      from = index;
    }
    if (next === undefined) return null;
    if (candidateHolds(next.candidate, request)) return next.candidate;
    at[from] = (at[from] ?? 0) + 1;
  }
}

/** What candidates ask for one value of. */
interface Trait {
  readonly kind: 'headers' | 'queryParams';
  readonly name: string;
}

interface Split<B> {
  readonly trait: Trait;
  readonly byValue: ReadonlyMap<string, readonly Ranked<B>[]>;
  /** Those that do not ask for one value of it. */
  readonly rest: readonly Ranked<B>[];
}

/** Candidates whose place in the index is the same. */
export class Bucket<B> {
  readonly #ranked: readonly Ranked<B>[];
  readonly #split: Split<B> | null;

  constructor(candidates: readonly Candidate<B>[]) {
    this.#ranked = rank(candidates);
    this.#split = this.#ranked.length < SPLIT_FROM ? null : splitByTrait(this.#ranked);
  }

  /** The first by precedence that holds. */
  find(request: RouteRequest): Candidate<B> | null {
    const split = this.#split;
    if (split === null) {
      for (const { candidate } of this.#ranked) {
        if (candidateHolds(candidate, request)) return candidate;
      }
      return null;
    }
    const { kind, name } = split.trait;
    const value = kind === 'headers' ? request.header(name) : queryParam(request.query, name);
    const asked = value === null ? undefined : split.byValue.get(value);
    return findAmong(asked === undefined ? [split.rest] : [asked, split.rest], request);
  }
}

function splitByTrait<B>(ranked: readonly Ranked<B>[]): Split<B> | null {
  const trait = mostAsked(ranked);
  if (trait === null) return null;
  const byValue = new Map<string, Ranked<B>[]>();
  const rest: Ranked<B>[] = [];
  for (const one of ranked) {
    const value = one.candidate[trait.kind].find(({ name }) => name === trait.name)?.exact ?? null;
    const list = value === null ? rest : (byValue.get(value) ?? []);
    list.push(one);
    if (value !== null) byValue.set(value, list);
  }
  return { trait, byValue, rest };
}

/** Null when too few ask for the same. */
function mostAsked(ranked: readonly Ranked<unknown>[]): Trait | null {
  const counts = new Map<string, { readonly trait: Trait; count: number }>();
  for (const { candidate } of ranked) {
    for (const kind of ['headers', 'queryParams'] as const) {
      for (const { name, exact } of candidate[kind]) {
        if (exact === null) continue;
        const counted = counts.get(`${kind} ${name}`) ?? { trait: { kind, name }, count: 0 };
        counted.count++;
        counts.set(`${kind} ${name}`, counted);
      }
    }
  }
  const [most] = [...counts.values()].sort((a, b) => b.count - a.count);
  return most === undefined || most.count < SPLIT_FROM / 2 ? null : most.trait;
}
