import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from './clock.ts';

test('systemClock.setTimer() waits as long as it is told, also where Node has no timer for it', async () => {
  const fired: number[] = [];
  for (const delayMs of [1, 2 ** 31, 99_999_999 * 3_600_000, Number.POSITIVE_INFINITY]) {
    const timer = systemClock.setTimer(delayMs, () => fired.push(delayMs));
    if (delayMs === 1) continue;
    // One that Node cannot be asked for would fire after a millisecond, and before one of the same delay that is set later.
    await systemClock.sleep(1);
    timer[Symbol.dispose]();
  }
  assert.deepEqual(fired, [1]);
});
