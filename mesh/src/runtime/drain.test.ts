import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { Drain } from './drain.ts';

test('Drain ends at once when nothing is outstanding', async () => {
  const drain = new Drain({ clock: new ManualClock() });
  assert.deepEqual(await drain.begin(1000), { kind: 'drained' });
  assert.deepEqual([drain.draining.aborted, drain.forced.aborted], [true, true]);
});

test('Drain waits for its guards, each of which counts once', async () => {
  const clock = new ManualClock();
  const drain = new Drain({ clock });
  const guards = [drain.guard(), drain.guard()];
  const ended = drain.begin(1000);
  assert.equal(drain.draining.aborted, true);
  guards[0]?.[Symbol.dispose]();
  guards[0]?.[Symbol.dispose]();
  assert.equal(drain.outstanding, 1);
  assert.equal(drain.forced.aborted, false);
  guards[1]?.[Symbol.dispose]();
  assert.deepEqual(await ended, { kind: 'drained' });
  assert.equal(clock.pending, 0);
});

test('Drain forces what is left at its deadline; later calls join the first', async () => {
  const clock = new ManualClock();
  const drain = new Drain({ clock });
  const guard = drain.guard();
  const ended = drain.begin(1000);
  const joined = drain.begin(1);
  await clock.advance(999);
  assert.equal(drain.forced.aborted, false);
  await clock.advance(1);
  assert.deepEqual(await ended, { kind: 'forced', outstanding: 1 });
  assert.equal(await joined, await ended);
  assert.equal(drain.forced.aborted, true);
  guard[Symbol.dispose]();
});
