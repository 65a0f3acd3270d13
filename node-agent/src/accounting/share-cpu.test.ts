import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { shareOut } from './share-cpu.ts';

test('shareOut() divides in proportion to work', () => {
  const table: readonly (readonly [total: number, works: readonly number[], parts: readonly number[]])[] = [
    [100, [1, 1], [50, 50]],
    [100, [0, 3, 1], [0, 75, 25]],
    [10, [1, 1, 1], [3, 3, 4]],
    [7, [0, 0], [7, 0]],
    [7, [0], [7]],
    [0, [1, 2], [0, 0]],
    [5, [2, 0], [5, 0]],
  ];
  for (const [total, works, parts] of table) assert.deepEqual(shareOut(total, works), parts);
});

test('shareOut() gives away all there is, nothing below zero, and nothing to those who did nothing while others worked', () => {
  const works = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e12, noNaN: true })), { minLength: 1 });
  fc.assert(
    fc.property(fc.nat(2 ** 31), works, (total, each) => {
      const parts = shareOut(total, each);
      const isAnyWork = each.some((work) => work > 0);
      assert.equal(
        parts.reduce((a, b) => a + b, 0),
        total,
      );
      for (const [index, part] of parts.entries()) {
        assert.ok(part >= 0 && Number.isInteger(part));
        if (isAnyWork && each[index] === 0) assert.equal(part, 0);
      }
    }),
    { seed: 6, numRuns: 300 },
  );
});
