import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryBudget, memoryShare, TLS_CONNECTION_BYTES, withConnections } from './memory-budget.ts';

const MIB = 1024 * 1024;

for (const [name, limit, workers, expected] of [
  ['most of what is left of the limit', 256 * MIB, 1, 128 * MIB],
  ['divided by the workers', 256 * MIB, 2, 64 * MIB],
  ['never less than a worker needs', 128 * MIB, 4, 32 * MIB],
  ['none without a limit', 0, 1, Number.POSITIVE_INFINITY],
  ['none for a limit that is none', Number.POSITIVE_INFINITY, 1, Number.POSITIVE_INFINITY],
] as const) {
  test(`memoryBudget(): ${name}`, () => assert.equal(memoryBudget(limit, workers), expected));
}

const use = { heapBytes: 20, heapMaxBytes: 100, externalBytes: 40 };
for (const [name, budget, expected] of [
  ['heap and buffers of the budget', 100, 0.6],
  ['the heap of its own bound, when that is more', 600, 0.2],
  ['the heap of its own bound without a budget', Number.POSITIVE_INFINITY, 0.2],
] as const) {
  test(`memoryShare(): ${name}`, () => assert.equal(memoryShare(use, budget), expected));
}

test('withConnections() counts what TLS takes where no heap knows of it', () => {
  assert.deepEqual(withConnections(use, 3), { ...use, externalBytes: 40 + 3 * TLS_CONNECTION_BYTES });
});
