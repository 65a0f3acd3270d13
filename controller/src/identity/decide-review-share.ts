import { hostOfPeer } from '@ambit/mesh/model';
import type { TokenClaims } from './decide-token-shape.ts';

/** In whose place a question to the API server is asked, and what it counts against. */
export interface ReviewShare {
  readonly group: string;
  readonly member: string;
  readonly budget: 'pod' | 'address';
}

/**
 * Whose turn a token nobody has checked yet uses up. Addresses come first, for they cannot be made up. Many nodes may stand
 * behind one, though: there the pod counts that the token names, if there is such a one. That is a claim and nothing is granted
 * for it; who makes one up takes turns of that pod at that address, and the names of no pods all count as one.
 */
export function decideReviewShare(
  address: string,
  claims: TokenClaims | null,
  isPod: (claims: TokenClaims) => boolean,
): ReviewShare {
  const group = hostOfPeer(address);
  if (claims === null || !isPod(claims)) return { group, member: '', budget: 'address' };
  return { group, member: claims.podUid, budget: 'pod' };
}
