import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlushThreshold } from './flush-threshold.ts';

/** Plays turns of `frames` frames each; returns how many frames of the last one waited for a write. */
function waiting(threshold: FlushThreshold, turns: number, frames: number): number {
  let waited = 0;
  for (let turn = 0; turn < turns; turn += 1) {
    waited = 0;
    for (let frame = 0; frame < frames; frame += 1) if (!threshold.staged()) waited += 1;
    threshold.endTurn();
  }
  return waited;
}

test('with one frame a turn every frame leaves at once', () => {
  assert.equal(waiting(new FlushThreshold(), 50, 1), 0);
});

test('with many frames a turn the first of them wait for others', () => {
  assert.equal(waiting(new FlushThreshold(), 100, 32), 14);
  assert.equal(waiting(new FlushThreshold(0.5), 100, 32), 15);
});

test('turns that became smaller because they were split do not split further soon', () => {
  const threshold = new FlushThreshold();
  waiting(threshold, 10, 32);
  assert.equal(waiting(threshold, 10, 16), 14);
});

test('when the load has gone single frames leave at once again', () => {
  const threshold = new FlushThreshold();
  waiting(threshold, 10, 32);
  assert.equal(waiting(threshold, 1, 1), 1);
  assert.equal(waiting(threshold, 500, 1), 0);
});

test('turns without frames change nothing', () => {
  const threshold = new FlushThreshold();
  waiting(threshold, 10, 8);
  waiting(threshold, 1000, 0);
  assert.equal(waiting(threshold, 1, 8), 3);
});
