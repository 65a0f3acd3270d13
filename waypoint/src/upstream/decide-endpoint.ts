import type { BalanceAlgorithm } from '@ambit/mesh/model';

/** Multiples of it, modulo 1, are spread more evenly than those of any other number, however many there are. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;

/** What an endpoint is chosen by. */
export interface Candidate {
  /** Requests under way there. */
  readonly load: number;
  /** Its share of requests, beside those of the others; more than 0. */
  readonly capacity: number;
  /** It could not be reached lately. */
  readonly avoided: boolean;
}

/** Endpoints as they are drawn from: made once, asked for every request. */
export interface Draw<E extends Candidate> {
  readonly endpoints: readonly E[];
  /** Capacities of each and all before it; null when all are alike. */
  readonly sums: Float64Array | null;
}

export function drawOf<E extends Candidate>(endpoints: readonly E[]): Draw<E> {
  const capacity = endpoints[0]?.capacity;
  if (endpoints.every((endpoint) => endpoint.capacity === capacity)) return { endpoints, sums: null };
  const sums = new Float64Array(endpoints.length);
  let sum = 0;
  for (const [index, endpoint] of endpoints.entries()) {
    sum += endpoint.capacity;
    sums[index] = sum;
  }
  return { endpoints, sums };
}

/** Chooses one; undefined when there is none. `except` was tried by the same request and failed, and comes last of all. */
export type Choose<E extends Candidate> = (draw: Draw<E>, except?: E) => E | undefined;

/** `random` gives [0, 1). */
export function chooserOf<E extends Candidate>(algorithm: BalanceAlgorithm, random: () => number): Choose<E> {
  switch (algorithm) {
    case 'least-request':
      return (draw, except) => decideEndpoint(draw, random, except);
    case 'random':
      return (draw, except) => (draw.endpoints.length <= 1 ? draw.endpoints[0] : decideAt(draw, random(), except));
    case 'round-robin': {
      let turn = 0;
      // Proxies that begin at the same moment do not begin with the same endpoint.
      const first = random();
      return (draw, except) => decideAt(draw, turnOf(draw, first, turn++), except);
    }
  }
}

/** Where `turn` is, in [0, 1): each endpoint once before any comes again, or, of different capacities, as evenly as can be. */
function turnOf({ endpoints, sums }: Draw<Candidate>, first: number, turn: number): number {
  const { length } = endpoints;
  if (sums !== null) return (first + turn * GOLDEN_RATIO) % 1;
  return ((Math.floor(first * length) + turn) % length) / length;
}

/** The one at a place of the draw, or the next that can be reached. */
function decideAt<E extends Candidate>(draw: Draw<E>, at: number, except: E | undefined): E | undefined {
  const { endpoints } = draw;
  const index = drawFirst(draw, at);
  const chosen = endpoints[index];
  if (chosen !== except && chosen?.avoided === false) return chosen;
  return (
    nextReachable(endpoints, index, except) ?? (chosen === except ? endpoints[(index + 1) % endpoints.length] : chosen)
  );
}

/**
 * Of two endpoints drawn at random by their capacity the one that has less to do for what it can do: nearly as even as looking
 * at all, and no two proxies run to the same one. One that could not be reached lately is taken when there is no other; `except`
 * was tried by the same request and failed, and comes last of all. `random` gives [0, 1).
 */
export function decideEndpoint<E extends Candidate>(draw: Draw<E>, random: () => number, except?: E): E | undefined {
  const { endpoints } = draw;
  const count = endpoints.length;
  if (count <= 1) return endpoints[0];
  const first = drawFirst(draw, random());
  const a = endpoints[first];
  const b = endpoints[drawOther(draw, first, random())];
  const isA = a !== undefined && a !== except && !a.avoided;
  const isB = b !== undefined && b !== except && !b.avoided;
  if (isA && isB) return b.load * a.capacity < a.load * b.capacity ? b : a;
  if (isA) return a;
  if (isB) return b;
  return nextReachable(endpoints, first, except) ?? (a === except ? b : a);
}

/** The first one after `start` that neither failed nor is avoided. */
function nextReachable<E extends Candidate>(
  endpoints: readonly E[],
  start: number,
  except: E | undefined,
): E | undefined {
  for (let i = 1; i < endpoints.length; i += 1) {
    const endpoint = endpoints[(start + i) % endpoints.length];
    if (endpoint !== except && endpoint?.avoided === false) return endpoint;
  }
  return undefined;
}

function drawFirst<E extends Candidate>({ endpoints, sums }: Draw<E>, at: number): number {
  if (sums === null) return Math.floor(at * endpoints.length);
  return indexAt(sums, at * (sums.at(-1) ?? 0));
}

/** One of the others: as if the first were not there. */
function drawOther<E extends Candidate>({ endpoints, sums }: Draw<E>, first: number, at: number): number {
  const count = endpoints.length;
  if (sums === null) return (first + 1 + Math.floor(at * (count - 1))) % count;
  const before = first === 0 ? 0 : (sums[first - 1] ?? 0);
  const share = (sums[first] ?? 0) - before;
  const left = at * ((sums.at(-1) ?? 0) - share);
  const index = indexAt(sums, left < before ? left : left + share);
  // Sums of fractions are not exact: the first one's neighbour stands for a trace of its share.
  return index === first ? (first + 1) % count : index;
}

/** The first index whose sum is more than `value`. */
function indexAt(sums: Float64Array, value: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
