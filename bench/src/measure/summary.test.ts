import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { median, ratio, summarise, toSignificant } from './summary.ts';

test('median() is the middle value, or the mean of the two middle ones, and leaves its input alone', () => {
  const values = [9, 1, 5];
  assert.equal(median(values), 5);
  assert.deepEqual(values, [9, 1, 5]);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([7]), 7);
  assert.ok(Number.isNaN(median([])));
});

test('summarise() keeps the range and the number of rounds', () => {
  assert.deepEqual(summarise([3, 1, 2]), { median: 2, min: 1, max: 3, count: 3 });
  assert.equal(summarise([]), undefined);
});

test('summarise() puts the median within the range', () => {
  const values = fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(values, (rounds) => {
      const summary = summarise(rounds);
      assert.ok(summary !== undefined && summary.min <= summary.median && summary.median <= summary.max);
    }),
    { seed: 7, numRuns: 300 },
  );
});

test('ratio() has no value without both sides or against zero', () => {
  const of = (value: number): { median: number; min: number; max: number; count: number } => ({
    median: value,
    min: value,
    max: value,
    count: 1,
  });
  assert.equal(ratio(of(3), of(2)), 1.5);
  assert.equal(ratio(of(3), of(0)), undefined);
  assert.equal(ratio(undefined, of(2)), undefined);
  assert.equal(ratio(of(3), undefined), undefined);
});

test('toSignificant() rounds to digits that count', () => {
  assert.equal(toSignificant(12345.6, 3), 12300);
  assert.equal(toSignificant(0.0123456, 3), 0.0123);
});
