import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { ANNOUNCEMENTS_APART_MS, Recovery } from './recovery.ts';

test('Recovery tells once that the API server answers after it did not', async () => {
  const clock = new ManualClock();
  const recovery = new Recovery(clock);
  const told = (): boolean => {
    const { signal } = recovery;
    recovery.answered();
    return signal.aborted;
  };
  assert.equal(told(), false);
  recovery.unanswered();
  assert.deepEqual([told(), told()], [true, false]);
  // One of several answers, another does not: waiting goes on.
  recovery.unanswered();
  assert.equal(told(), false);
  await clock.advance(ANNOUNCEMENTS_APART_MS);
  assert.deepEqual([told(), told()], [true, false]);
});
