import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { LeaderTasks } from './leader-tasks.ts';

test('LeaderTasks runs work once per term, from its beginning or from when it is given, and stops it with the term', async () => {
  const clock = new ManualClock();
  const tasks = new LeaderTasks(clock, silentLogger);
  const seen: string[] = [];
  const watch = (name: string) => async (signal: AbortSignal) => {
    seen.push(`${name} begins`);
    if (!signal.aborted) await once(signal, 'abort');
    seen.push(`${name} ends`);
  };
  tasks.whileLeading('a', watch('a'));
  assert.equal(tasks.isLeading, false);
  const first = new AbortController();
  tasks.begin(first.signal);
  await clock.advance(0);
  assert.equal(tasks.isLeading, true);
  tasks.whileLeading('b', watch('b'));
  await clock.advance(0);
  assert.deepEqual(seen.splice(0), ['a begins', 'b begins']);
  first.abort();
  assert.equal(tasks.isLeading, false);
  await tasks.settled();
  assert.deepEqual(seen.splice(0), ['a ends', 'b ends']);
  const second = new AbortController();
  tasks.begin(second.signal);
  await clock.advance(0);
  assert.deepEqual(seen.splice(0), ['a begins', 'b begins']);
  second.abort();
  await tasks.settled();
});

test('LeaderTasks begins failing work again after growing pauses, never beside the run of the term before', async () => {
  const clock = new ManualClock();
  const tasks = new LeaderTasks(clock, silentLogger);
  const begun: number[] = [];
  const slow = Promise.withResolvers<void>();
  tasks.whileLeading('fails', async () => {
    begun.push(clock.monotonic());
    if (begun.length === 3) await slow.promise;
    throw new Error('no');
  });
  const first = new AbortController();
  tasks.begin(first.signal);
  await clock.advance(3000);
  assert.equal(begun.length, 3);
  assert.ok((begun[1] ?? 0) >= 400 && (begun[2] ?? 0) - (begun[1] ?? 0) >= 800);
  first.abort();
  const second = new AbortController();
  tasks.begin(second.signal);
  await clock.advance(60_000);
  assert.equal(begun.length, 3);
  slow.resolve();
  await clock.advance(0);
  assert.equal(begun.length, 4);
  second.abort();
  await tasks.settled();
});
