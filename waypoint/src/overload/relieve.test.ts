import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseHolders, HELD_WORTH_BYTES } from './relieve.ts';

for (const [name, held, bytes, expected] of [
  ['nobody when nothing is needed', [9], 0, []],
  ['whoever holds most', [1, 9, 4], 5, [9]],
  ['as many as it takes', [1, 9, 4], 10, [9, 4]],
  ['all when all are too few', [1, 9, 4], 99, [9, 4, 1]],
  ['nobody who holds little', [0.9, 1], 99, [1]],
] as const) {
  test(`chooseHolders(): ${name}`, () => {
    const holders = held.map((one) => ({ heldBytes: one * HELD_WORTH_BYTES }));
    const found = chooseHolders(holders, bytes * HELD_WORTH_BYTES);
    assert.deepEqual(
      found.map(({ heldBytes }) => heldBytes / HELD_WORTH_BYTES),
      expected,
    );
  });
}
