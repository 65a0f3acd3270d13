import { type Candidate, candidateHolds, comparePrecedence } from './candidate.ts';
import type { RouteRequest } from './route-request.ts';

/** From here on a bucket is split by the header that most of its candidates ask for. */
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

interface Split<B> {
  readonly header: string;
  readonly byValue: ReadonlyMap<string, readonly Ranked<B>[]>;
  /** Those that do not ask for one value of that header. */
  readonly rest: readonly Ranked<B>[];
}

/** Candidates whose place in the index is the same. */
export class Bucket<B> {
  readonly #ranked: readonly Ranked<B>[];
  readonly #split: Split<B> | null;

  constructor(candidates: readonly Candidate<B>[]) {
    this.#ranked = rank(candidates);
    this.#split = this.#ranked.length < SPLIT_FROM ? null : splitByHeader(this.#ranked);
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
    const value = request.header(split.header);
    const asked = value === null ? undefined : split.byValue.get(value);
    return findAmong(asked === undefined ? [split.rest] : [asked, split.rest], request);
  }
}

function splitByHeader<B>(ranked: readonly Ranked<B>[]): Split<B> | null {
  const counts = new Map<string, number>();
  for (const { candidate } of ranked) {
    for (const { name, exact } of candidate.headers) {
      if (exact !== null) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  if (most === undefined || most[1] < SPLIT_FROM / 2) return null;
  const [header] = most;
  const valueOf = ({ candidate }: Ranked<B>): string | null =>
    candidate.headers.find(({ name }) => name === header)?.exact ?? null;
  const byValue = new Map<string, Ranked<B>[]>();
  const rest: Ranked<B>[] = [];
  for (const one of ranked) {
    const value = valueOf(one);
    const list = value === null ? rest : (byValue.get(value) ?? []);
    list.push(one);
    if (value !== null) byValue.set(value, list);
  }
  return { header, byValue, rest };
}
