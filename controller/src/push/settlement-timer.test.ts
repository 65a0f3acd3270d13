import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { PUSH_LIMITS } from './limits.ts';
import { SettlementTimer } from './settlement-timer.ts';

/** A timer whose nodes have acknowledged everything up to `settled`. */
function createWorld(): {
  readonly clock: ManualClock;
  readonly observed: number[];
  change(revision: number): void;
  settle(revision: number): void;
} {
  const clock = new ManualClock();
  const observed: number[] = [];
  const timer = new SettlementTimer(clock, { observe: (_, seconds) => observed.push(seconds) });
  let settled = 0;
  return {
    clock,
    observed,
    change: (revision) => timer.changed('type', revision, (_, wanted) => wanted <= settled),
    settle: (revision) => {
      settled = revision;
      timer.progressed((_, wanted) => wanted <= settled);
    },
  };
}

test('SettlementTimer times every change until the last node has it', async () => {
  const { clock, observed, change, settle } = createWorld();
  change(1);
  await clock.advance(100);
  change(2);
  await clock.advance(50);
  settle(1);
  assert.deepEqual(observed, [0.15]);
  await clock.advance(200);
  settle(2);
  assert.deepEqual(observed, [0.15, 0.25]);
});

test('SettlementTimer does not time what nobody is owed, nor without bound', () => {
  const { observed, change, settle } = createWorld();
  change(0);
  settle(0);
  assert.deepEqual(observed, []);
  for (let revision = 1; revision <= PUSH_LIMITS.timedChangesMax + 5; revision++) change(revision);
  settle(PUSH_LIMITS.timedChangesMax + 5);
  assert.equal(observed.length, PUSH_LIMITS.timedChangesMax);
});
