import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseCuts } from './choose-cuts.ts';

test('chooseCuts() ends as few connections as it takes, those that hold most first', () => {
  const table: readonly (readonly [held: readonly number[], max: number, cut: readonly number[]])[] = [
    [[], 10, []],
    [[4, 6], 10, []],
    [[4, 7], 10, [7]],
    [[1, 8, 3, 9, 0], 10, [9, 8]],
    [[5, 5, 5], 10, [5]],
    [[30], 10, [30]],
    [[30, 10, 10], 10, [30, 10]],
  ];
  for (const [held, max, cut] of table) {
    const chosen = chooseCuts(
      held.map((waitingBytes) => ({ waitingBytes })),
      max,
    );
    assert.deepEqual(
      chosen.map(({ waitingBytes }) => waitingBytes),
      cut,
    );
  }
});
