import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadPace } from './read-pace.ts';

/** Whether it is busy after turns of these many reads, each a number of times, that take so many milliseconds. */
function after(turns: readonly (readonly [reads: number, times: number, ms?: number])[]): boolean {
  let nowMs = 5000;
  const pace = new ReadPace(() => nowMs);
  for (const [reads, times, ms = 1] of turns) {
    for (let i = 0; i < times; i += 1) {
      nowMs += ms;
      pace.turn(reads);
    }
  }
  return pace.isBusy;
}

const BUSY = [16, 8] as const;

for (const [what, turns, isBusy] of [
  ['nothing yet', [], false],
  ['one turn too few', [[16, 7]], false],
  ['busy turns in a row', [BUSY], true],
  ['never so many in a turn', [[15, 10_000]], false],
  [
    'interrupted before',
    [
      [16, 7],
      [15, 1],
      [16, 7],
    ],
    false,
  ],
  ['turns that are neither keep it busy', [BUSY, [6, 100_000]], true],
  ['calm ones in less than a tenth of a second', [BUSY, [5, 99]], true],
  ['calm ones for longer', [BUSY, [5, 112]], false],
  ['many calm ones in no time', [BUSY, [1, 10_000, 0.001]], true],
  ['few calm ones in a long time', [BUSY, [1, 15, 100]], true],
  ['the fewest in a long time', [BUSY, [1, 16, 100]], false],
  ['calm ones, interrupted by a moment', [BUSY, [1, 95], [6, 1], [1, 95]], true],
  ['calm, and busy again', [BUSY, [0, 200], BUSY], true],
] as const) {
  test(`a thread is ${isBusy ? 'busy' : 'calm'}: ${what}`, () => {
    assert.equal(after(turns), isBusy);
  });
}
