import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AbuseGuard, type AbuseKind } from './abuse-guard.ts';

const limits = { resetsMax: 2, controlFramesMax: 3, emptyDataMax: 1, abuseWindowMs: 1000 };
const kinds: readonly [AbuseKind, number][] = [
  ['reset', 2],
  ['control', 3],
  ['empty-data', 1],
];

for (const [kind, max] of kinds) {
  test(`a guard admits ${max} ${kind} events per window and no more`, () => {
    const guard = new AbuseGuard(limits);
    for (let i = 0; i < max; i += 1) assert.equal(guard.admit(kind, 10), true);
    assert.equal(guard.admit(kind, 1009), false);
    assert.equal(guard.admit(kind, 1010), true);
  });
}

test('a guard counts each kind by itself', () => {
  const guard = new AbuseGuard(limits);
  for (const [kind, max] of kinds) for (let i = 0; i < max; i += 1) assert.equal(guard.admit(kind, 0), true);
});
