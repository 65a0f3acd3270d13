import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { heapBytes } from './heap.ts';
import { RestingHeap } from './resting-heap.ts';

const MINUTE_MS = 60_000;
const MIB = 1024 * 1024;

/** Makes the heap grow by more than what is worth a compaction, for nothing. */
function grow(): void {
  const rows: number[][] = [];
  for (let i = 0; i < 200_000; i += 1) rows.push([i, i + 0.5, i + 1]);
  assert.ok(rows.length > 0);
}

test('memory of a busy time is given back a minute after it, not while the thread works', async () => {
  const clock = new ManualClock();
  let share = 0.5;
  using heap = new RestingHeap(clock, () => () => share);
  heap.compact();
  const small = heapBytes();
  grow();
  assert.ok(heapBytes() - small > 8 * MIB, `${heapBytes() - small} bytes more`);
  await clock.advance(MINUTE_MS);
  assert.ok(heapBytes() - small > 8 * MIB, 'it works half of the time');
  share = 0;
  await clock.advance(MINUTE_MS - 1);
  assert.ok(heapBytes() - small > 8 * MIB, 'the minute is not over');
  await clock.advance(1);
  assert.ok(heapBytes() - small < 4 * MIB, `${heapBytes() - small} bytes more`);
});
