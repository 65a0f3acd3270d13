import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { turnTime } from './turn-time.ts';

test('turnTime() stands still during a turn, and asks for its end once', async () => {
  const clock = new ManualClock();
  const ends: (() => void)[] = [];
  const nowMs = turnTime(clock, (callback) => ends.push(callback));
  const first = nowMs();
  await clock.advance(5);
  assert.deepEqual([nowMs(), ends.length], [first, 1]);
  ends.pop()?.();
  assert.deepEqual([nowMs(), nowMs(), ends.length], [first + 5, first + 5, 1]);
});
