import { randomOf } from '@ambit/mesh/testing';

/**
 * Which turns are whose: for each of the peers the numbers of its turns, from 0, ascending. A cycle is one turn of each, in an order drawn
 * anew: none has always the same one before it, whose leavings in the caches it would find. The same seed gives the same turns.
 */
export function scheduleTurns(peerCount: number, cycleCount: number, seed: number): readonly (readonly number[])[] {
  const random = randomOf(seed);
  const turns = Array.from({ length: peerCount }, (): number[] => []);
  for (let cycle = 0; cycle < cycleCount; cycle++) {
    for (const [place, peer] of shuffled(peerCount, random).entries()) turns[peer]?.push(cycle * peerCount + place);
  }
  return turns;
}

/** The numbers below `count` in any order, all orders equally likely. */
function shuffled(count: number, random: () => number): readonly number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let left = count; left > 1; left--) {
    const [drawn] = order.splice(Math.floor(random() * left), 1);
    if (drawn !== undefined) order.push(drawn);
  }
  return order;
}
