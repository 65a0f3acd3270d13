import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { OverloadGuard } from './overload-guard.ts';

/** A guard of a thread with 1000 bytes, `used` of which are needed and `garbage` are not. */
function guardOf(options: { readonly clock: Clock; readonly random?: () => number }) {
  const memory = { used: 0, garbage: 0, held: 0, collections: 0, relieved: [] as number[] };
  const guard = new OverloadGuard({
    clock: options.clock,
    logger: silentLogger,
    random: options.random ?? (() => 0),
    budgetBytes: 1000,
    memoryUse: () => ({ heapBytes: memory.used + memory.garbage, heapMaxBytes: 1e9, externalBytes: 0 }),
    relieve: (bytes) => void memory.relieved.push(bytes),
    heldBytes: () => memory.held,
    collectGarbage: () => {
      memory.collections += 1;
      memory.garbage = 0;
    },
  });
  return { guard, memory };
}

test('OverloadGuard: garbage alone is no reason to refuse', async () => {
  const clock = new ManualClock();
  const { guard, memory } = guardOf({ clock });
  using _ = guard;
  memory.used = 500;
  memory.garbage = 490;
  await clock.advance(100);
  assert.deepEqual([guard.refusal(), memory.collections], [null, 1]);
});

test('OverloadGuard: what is needed is, until enough of it is gone; garbage is looked for now and then meanwhile', async () => {
  const clock = new ManualClock();
  const { guard, memory } = guardOf({ clock });
  using _ = guard;
  memory.used = 960;
  await clock.advance(100);
  assert.deepEqual([guard.refusal(), guard.isMemoryShort, guard.shares], ['memory', true, { memory: 1, lag: 0 }]);
  assert.deepEqual(memory.relieved, [110]);
  await clock.advance(1900);
  assert.deepEqual([memory.collections, memory.relieved.length], [1, 1]);
  // Requests have ended, and as nothing new comes nobody looks for what they left.
  memory.used = 100;
  memory.garbage = 800;
  await clock.advance(200);
  assert.deepEqual([guard.refusal(), memory.collections], [null, 2]);
});

test('OverloadGuard: what is held for others beyond half of all is given up at once, collection or not', async () => {
  const clock = new ManualClock();
  const { guard, memory } = guardOf({ clock });
  using _ = guard;
  memory.held = 600;
  await clock.advance(100);
  assert.deepEqual([guard.refusal(), memory.relieved], [null, []]);
  memory.used = 960;
  await clock.advance(100);
  memory.held = 500;
  await clock.advance(100);
  memory.held = 700;
  await clock.advance(100);
  assert.deepEqual([memory.collections, memory.relieved], [1, [110, 200]]);
});

test('OverloadGuard: a lagging loop refuses the share of requests that the draw is within', async () => {
  const clock = new ManualClock();
  let draw = 0;
  // Timers that come late: the clock is further each time it is asked.
  let lateMs = 0;
  const lagging: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic() + (lateMs += 250),
    sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
    setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
  };
  const { guard } = guardOf({ clock: lagging, random: () => draw });
  using _ = guard;
  assert.equal(guard.refusal(), null);
  await clock.advance(300);
  assert.equal(guard.shares.lag > 0, true);
  assert.equal(guard.refusal(), 'lag');
  draw = 0.95;
  assert.equal(guard.refusal(), null);
});
