import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideCompaction } from './decide-compaction.ts';

const MIB = 1024 * 1024;

for (const [name, world, expected] of [
  ['rests on what it holds at least', { utilization: 0, heapBytes: 12 * MIB, compactedBytes: 12 * MIB }, false],
  ['rests on little', { utilization: 0, heapBytes: 20 * MIB - 1, compactedBytes: 12 * MIB }, false],
  ['rests on much', { utilization: 0.009, heapBytes: 20 * MIB, compactedBytes: 12 * MIB }, true],
  ['holds much and works', { utilization: 0.01, heapBytes: 200 * MIB, compactedBytes: 12 * MIB }, false],
  ['holds less than after the last time', { utilization: 0, heapBytes: 10 * MIB, compactedBytes: 30 * MIB }, false],
] as const) {
  test(`a thread that ${name}: ${expected ? 'compacts' : 'does not compact'}`, () => {
    assert.equal(decideCompaction(world), expected);
  });
}
