import { type Candidate, candidateHolds, comparePrecedence } from './candidate.ts';
import type { RouteRequest } from './route-request.ts';

/** From here on a bucket is split by the header that most of its candidates ask for. */
const SPLIT_FROM = 8;

interface Placed<B> {
  readonly candidate: Candidate<B>;
  readonly place: number;
}

interface Split<B> {
  readonly header: string;
  readonly byValue: ReadonlyMap<string, readonly Placed<B>[]>;
  /** Those that do not ask for one value of that header. */
  readonly rest: readonly Placed<B>[];
}

/** Candidates whose place in the index is the same, by precedence. */
export class Bucket<B> {
  readonly #sorted: readonly Candidate<B>[];
  readonly #split: Split<B> | null;

  constructor(candidates: readonly Candidate<B>[]) {
    this.#sorted = candidates.toSorted((a, b) => comparePrecedence(a.precedence, b.precedence));
    this.#split = this.#sorted.length < SPLIT_FROM ? null : splitByHeader(this.#sorted);
  }

  /** The first that holds. */
  find(request: RouteRequest): Candidate<B> | null {
    if (this.#split !== null) return findInSplit(this.#split, request);
    for (const candidate of this.#sorted) {
      if (candidateHolds(candidate, request)) return candidate;
    }
    return null;
  }
}

function splitByHeader<B>(sorted: readonly Candidate<B>[]): Split<B> | null {
  const counts = new Map<string, number>();
  for (const { headers } of sorted) {
    for (const { name, exact } of headers) {
      if (exact !== null) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  if (most === undefined || most[1] < SPLIT_FROM / 2) return null;
  const [header] = most;
  const byValue = new Map<string, Placed<B>[]>();
  const rest: Placed<B>[] = [];
  for (const [place, candidate] of sorted.entries()) {
    const value = candidate.headers.find(({ name, exact }) => name === header && exact !== null)?.exact ?? null;
    const list = value === null ? rest : (byValue.get(value) ?? []);
    list.push({ candidate, place });
    if (value !== null) byValue.set(value, list);
  }
  return { header, byValue, rest };
}

/** The two lists as one, by place. */
function findInSplit<B>({ header, byValue, rest }: Split<B>, request: RouteRequest): Candidate<B> | null {
  const value = request.header(header);
  const asked = (value === null ? undefined : byValue.get(value)) ?? [];
  let left = 0;
  let right = 0;
  for (;;) {
    const a = asked[left];
    const b = rest[right];
    const next = a !== undefined && (b === undefined || a.place < b.place) ? a : b;
    if (next === undefined) return null;
    if (next === a) left++;
    else right++;
    if (candidateHolds(next.candidate, request)) return next.candidate;
  }
}
