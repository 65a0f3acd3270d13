import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideDueCount, decideShare, plannedAtMs } from './decide-due.ts';

const PACE = { startMs: 1000, endMs: 2000, perSecond: 10 };

test('plannedAtMs() spreads numbers evenly, whatever happened to those before', () => {
  assert.deepEqual(
    [0, 1, 9].map((index) => plannedAtMs(PACE, index)),
    [1050, 1150, 1950],
  );
});

test('decideDueCount() counts what is planned by now, and nothing planned after the end', () => {
  const table = [
    [900, 0],
    [1000, 0],
    [1049, 0],
    [1050, 1],
    [1150, 2],
    [1949, 9],
    [1950, 10],
    [2000, 10],
    [9999, 10],
  ] as const;
  for (const [nowMs, count] of table) assert.equal(decideDueCount(PACE, nowMs), count, `at ${nowMs}`);
});

test('decideShare() spreads a share evenly', () => {
  const chosen = (share: number): number[] => [...Array(20).keys()].filter((index) => decideShare(index, share));
  assert.deepEqual(chosen(0.2), [4, 9, 14, 19]);
  assert.equal(chosen(0.25).length, 5);
  assert.equal(chosen(0).length, 0);
  assert.equal(chosen(1).length, 20);
});
