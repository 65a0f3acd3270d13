import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { SendRate } from './send-rate.ts';

const KIB = 1024;

test('SendRate holds a reader that brought more than its rate until that is made up for', async () => {
  const clock = new ManualClock();
  using rate = new SendRate({ clock, bytesPerSecond: 100 * KIB });
  let heard = 0;
  const reader = { onBudget: () => void heard++ };
  assert.equal(rate.take(4 * KIB, reader), true);
  assert.equal(rate.take(61 * KIB, reader), false);
  await clock.advance(550);
  assert.equal(heard, 0);
  await clock.advance(100);
  assert.equal(heard, 1);
  // However long the rest, it is worth what was left and one slice more.
  await clock.advance(10_000);
  assert.equal(heard, 1);
  assert.equal(rate.take(6 * KIB, reader), true);
  assert.equal(rate.take(6 * KIB, reader), false);
});

test('SendRate lets readers take turns, keeps its rate in the long run, and forgets who is gone', async () => {
  const clock = new ManualClock();
  const bytesPerSecond = 1000 * KIB;
  using rate = new SendRate({ clock, bytesPerSecond });
  const brought = [0, 0, 0, 0];
  const readers = brought.map((_, index) => ({ onBudget: () => read(index) }));
  const read = (index: number): void => {
    const reader = readers[index];
    assert.ok(reader !== undefined);
    do brought[index] = (brought[index] ?? 0) + 64 * KIB;
    while (rate.take(64 * KIB, reader));
  };
  for (const index of readers.keys()) read(index);
  const [first] = readers;
  assert.ok(first !== undefined);
  rate.forget(first);
  for (let slice = 0; slice < 200; slice++) await clock.advance(50);
  const total = brought.reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(Math.abs(total - 10 * bytesPerSecond) <= 0.05 * 10 * bytesPerSecond, String(total));
  assert.equal(brought[0], 64 * KIB);
  const others = brought.slice(1);
  assert.ok(Math.max(...others) - Math.min(...others) <= 2 * 64 * KIB, others.join());
});
