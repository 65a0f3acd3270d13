/** What an endpoint is chosen by. */
export interface Candidate {
  /** Requests under way there. */
  readonly load: number;
}

/**
 * The less loaded of two endpoints drawn at random: nearly as even as looking at all, and no two proxies run to the same one.
 * `except` was tried and failed: it is taken only when there is no other. `random` gives [0, 1).
 */
export function decideEndpoint<E extends Candidate>(
  endpoints: readonly E[],
  random: () => number,
  except?: E,
): E | undefined {
  const count = endpoints.length;
  if (count <= 1) return endpoints[0];
  const first = Math.floor(random() * count);
  // One of the others.
  const second = (first + 1 + Math.floor(random() * (count - 1))) % count;
  const a = endpoints[first];
  const b = endpoints[second];
  if (a === undefined || a === except) return b;
  if (b === undefined || b === except) return a;
  return b.load < a.load ? b : a;
}
