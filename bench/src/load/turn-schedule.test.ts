import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scheduleTurns } from './turn-schedule.ts';

/** Peers in the order of their turns. */
function orderOf(turns: readonly (readonly number[])[]): readonly number[] {
  const order: number[] = [];
  for (const [peer, own] of turns.entries()) for (const turn of own) order[turn] = peer;
  return order;
}

test('scheduleTurns() gives every peer one turn of each cycle', () => {
  for (const peerCount of [1, 2, 3, 5]) {
    for (const own of scheduleTurns(peerCount, 40, 7)) {
      assert.deepEqual(
        own.map((turn) => Math.floor(turn / peerCount)),
        Array.from({ length: 40 }, (_, cycle) => cycle),
      );
    }
    const all = scheduleTurns(peerCount, 40, 7).flat();
    assert.deepEqual([all.length, new Set(all).size], [40 * peerCount, 40 * peerCount], 'no turn is of two peers');
  }
});

test('scheduleTurns() draws the same order for the same seed, and another one for another', () => {
  assert.deepEqual(scheduleTurns(4, 20, 3), scheduleTurns(4, 20, 3));
  assert.notDeepEqual(scheduleTurns(4, 20, 3), scheduleTurns(4, 20, 4));
  assert.deepEqual(
    scheduleTurns(4, 20, 3).map((own) => own.slice(0, 10)),
    scheduleTurns(4, 10, 3),
    'a longer one begins alike',
  );
});

test('scheduleTurns() lets each peer follow each other one equally often, and have each place', () => {
  const peerCount = 4;
  const cycleCount = 4000;
  const order = orderOf(scheduleTurns(peerCount, cycleCount, 1));
  const followed = new Map<string, number>();
  const placed = new Map<string, number>();
  for (const [turn, peer] of order.entries()) {
    const [pair, place] = [`${order[turn - 1]} ${peer}`, `${turn % peerCount} ${peer}`];
    followed.set(pair, (followed.get(pair) ?? 0) + 1);
    placed.set(place, (placed.get(place) ?? 0) + 1);
  }
  const near = (count: number | undefined, expected: number, what: string): void =>
    assert.ok(count !== undefined && Math.abs(count / expected - 1) < 0.1, `${what}: ${count}, not ${expected}`);
  for (let peer = 0; peer < peerCount; peer++) {
    for (let place = 0; place < peerCount; place++) {
      near(placed.get(`${place} ${peer}`), cycleCount / peerCount, `place ${place} of ${peer}`);
    }
    for (let before = 0; before < peerCount; before++) {
      // In a cycle each stands behind each other one in a quarter of the orders, and once in 16 across two cycles.
      if (before !== peer) near(followed.get(`${before} ${peer}`), cycleCount * (1 / 4 + 1 / 16), `${before} ${peer}`);
    }
  }
});
