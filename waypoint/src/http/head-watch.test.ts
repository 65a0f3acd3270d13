import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { Deadlines } from './deadlines.ts';
import { HeadWatch } from './head-watch.ts';

test('HeadWatch gives up a head that takes too long, and no connection whose heads come to their end', async () => {
  const clock = new ManualClock();
  using deadlines = new Deadlines(clock);
  let head = 0;
  let timeouts = 0;
  const onTimeout = (): void => {
    timeouts += 1;
    deadlines.delete(watch);
  };
  const watch = new HeadWatch({ clock, timeoutMs: 15_000, unfinishedHead: () => head, onTimeout });
  deadlines.add(watch);
  await clock.advance(60_000);
  // One after the other, each unfinished whenever somebody looks.
  for (head = 1; head < 100; head += 1) await clock.advance(1000);
  assert.equal(timeouts, 0);
  await clock.advance(15_000);
  assert.equal(timeouts, 0);
  await clock.advance(1000);
  assert.equal(timeouts, 1);
});
