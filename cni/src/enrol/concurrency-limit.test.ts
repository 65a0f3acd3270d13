import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConcurrencyLimit } from './concurrency-limit.ts';

test('ConcurrencyLimit runs as many at a time as allowed, in order, and passes results and failures on', async () => {
  const limit = new ConcurrencyLimit(2);
  const started: number[] = [];
  const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const results = gates.map(({ promise }, i) =>
    limit.run(async () => {
      started.push(i);
      await promise;
      if (i === 1) throw new Error('one');
      return i;
    }),
  );
  const settled = Promise.allSettled(results);
  await Promise.resolve();
  assert.deepEqual(started, [0, 1]);
  gates[1]?.resolve();
  await results[1]?.catch(() => {});
  await Promise.resolve();
  assert.deepEqual(started, [0, 1, 2]);
  for (const gate of gates) gate.resolve();
  assert.deepEqual(
    (await settled).map((result) => (result.status === 'fulfilled' ? result.value : 'failed')),
    [0, 'failed', 2, 3],
  );
  assert.deepEqual(started, [0, 1, 2, 3]);
  assert.equal(await limit.run(async () => 'again'), 'again');
});
