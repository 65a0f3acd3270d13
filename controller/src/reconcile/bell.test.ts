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

test('Bell.repeat() goes round at once, after rings that gathered, and from time to time', async () => {
  const clock = new ManualClock();
  const bell = new Bell(clock);
  const stop = new AbortController();
  let rounds = 0;
  const round = async (): Promise<void> => void rounds++;
  const repeating = bell.repeat(round, { pauseMs: 100, resyncMs: 1000 }, stop.signal);
  const after = async (ms: number): Promise<number> => {
    await clock.advance(ms);
    return rounds;
  };
  assert.equal(await after(0), 1);
  bell.ring();
  bell.ring();
  assert.deepEqual([await after(99), await after(1), await after(100)], [1, 2, 2]);
  assert.deepEqual([await after(999), await after(1)], [2, 3]);
  stop.abort(new Error('stops'));
  await assert.rejects(repeating, { message: 'stops' });
  const failing = bell.repeat(
    () => Promise.reject(new Error('fails')),
    { resyncMs: 1000 },
    new AbortController().signal,
  );
  await assert.rejects(failing, { message: 'fails' });
});
