import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from './manual-clock.ts';

test('ManualClock fires timers in order of time, those set on the way included', async () => {
  const clock = new ManualClock(1000);
  const fired: string[] = [];
  clock.setTimer(20, () => fired.push(`b at ${clock.monotonic()}`));
  clock.setTimer(10, () => {
    fired.push(`a at ${clock.monotonic()}`);
    clock.setTimer(5, () => fired.push(`c at ${clock.monotonic()}`));
  });
  clock.setTimer(15, () => fired.push('never'))[Symbol.dispose]();
  await clock.advance(19);
  assert.deepEqual(fired, ['a at 10', 'c at 15']);
  await clock.advance(1);
  assert.deepEqual(
    [fired, clock.now(), clock.monotonic(), clock.pending],
    [['a at 10', 'c at 15', 'b at 20'], 1020, 20, 0],
  );
});

test('ManualClock lets what a sleep wakes sleep again within one advance', async () => {
  const clock = new ManualClock();
  let rounds = 0;
  const loop = (async () => {
    for (; rounds < 3; rounds++) await clock.sleep(10);
  })();
  await clock.advance(30);
  await loop;
  assert.equal(rounds, 3);
});

test('ManualClock rejects an aborted sleep with its reason and forgets it', async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const asleep = assert.rejects(clock.sleep(10, stop.signal), /stopped/);
  stop.abort(new Error('stopped'));
  await asleep;
  await assert.rejects(clock.sleep(10, stop.signal), /stopped/);
  assert.equal(clock.pending, 0);
});
