import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlushThreshold } from './flush-threshold.ts';

test('with one frame a turn every frame leaves at once', () => {
  const threshold = new FlushThreshold();
  for (let turn = 0; turn < 50; turn += 1) {
    assert.equal(threshold.staged(1000), true);
    threshold.endTurn();
  }
});

test('with many frames a turn the first ones wait for a share of the usual bytes', () => {
  const threshold = new FlushThreshold();
  for (let turn = 0; turn < 100; turn += 1) {
    for (let frame = 0; frame < 32; frame += 1) threshold.staged(1000);
    threshold.endTurn();
  }
  const waiting = Array.from({ length: 32 }, () => threshold.staged(1000)).filter((leaves) => !leaves).length;
  assert.ok(waiting >= 10 && waiting <= 20, `${waiting} of 32 frames wait`);
});
