import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decideOverload, DEFAULT_OVERLOAD_LIMITS, NO_OVERLOAD, type OverloadState } from './decide-overload.ts';

const limits = { ...DEFAULT_OVERLOAD_LIMITS, shareStep: 0.25, shareRelief: 0.125 };
const calm = NO_OVERLOAD;
const short = { ...calm, isMemoryShort: true };
const late = (lateCount: number, refusedShare = 0): OverloadState => ({ ...calm, lateCount, refusedShare });

describe('decideOverload()', () => {
  for (const [name, state, memoryShare, lagMs, expected] of [
    ['nothing is refused at rest', calm, 0.5, 1, calm],
    ['memory is short at the upper mark', calm, 0.95, 0, short],
    ['memory is not short below it', calm, 0.94, 0, calm],
    ['memory stays short between the marks', short, 0.86, 0, short],
    ['memory is no longer short at the lower mark', short, 0.85, 0, calm],
    ['one late sample is remembered, no more', calm, 0, 200, late(1)],
    ['so is a second', late(1), 0, 5000, late(2)],
    ['a third makes requests be refused', late(2), 0, 200, late(3, 0.25)],
    ['every further one more', late(3, 0.25), 0, 200, late(3, 0.5)],
    ['up to a bound', late(3, 0.75), 0, 200, late(3, 0.9)],
    ['a sample in between leaves it as it is', late(3, 0.5), 0, 199, late(0, 0.5)],
    ['and begins the count anew', late(2), 0, 51, late(0)],
    ['one in time takes some off', late(3, 0.5), 0, 50, late(0, 0.375)],
    ['until nothing is left', late(0, 0.125), 0, 0, calm],
    ['both at once', { ...late(2), isMemoryShort: true }, 1, 300, { ...late(3, 0.25), isMemoryShort: true }],
  ] as const) {
    test(name, () => assert.deepEqual(decideOverload(state, { memoryShare, lagMs }, limits), expected));
  }

  test('comes back from the worst in two seconds of calm', () => {
    let state = late(3, DEFAULT_OVERLOAD_LIMITS.shareMax);
    for (let i = 0; i < 20; i += 1)
      state = decideOverload(state, { memoryShare: 0, lagMs: 0 }, DEFAULT_OVERLOAD_LIMITS);
    assert.deepEqual(state, calm);
  });
});
