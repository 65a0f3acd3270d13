import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { Bell } from './bell.ts';

const never = new AbortController().signal;

test('Bell.wait() ends with a ring, also one from before, and with time', async () => {
  const clock = new ManualClock();
  const bell = new Bell(clock);
  bell.ring();
  bell.ring();
  await bell.wait(1000, never);
  let woken = 0;
  const first = bell.wait(1000, never).then(() => (woken += 1));
  bell.ring();
  await first;
  const second = bell.wait(1000, never).then(() => (woken += 1));
  await clock.advance(999);
  assert.equal(woken, 1);
  await clock.advance(1);
  await second;
  assert.equal(woken, 2);
  assert.equal(clock.pending, 0, 'no timer is left');
});

test('Bell.wait() ends with its signal', async () => {
  const bell = new Bell(new ManualClock());
  const stop = new AbortController();
  const waiting = bell.wait(1000, stop.signal);
  stop.abort(new Error('stops'));
  await assert.rejects(waiting, { message: 'stops' });
  await assert.rejects(bell.wait(1000, stop.signal), { message: 'stops' });
});
