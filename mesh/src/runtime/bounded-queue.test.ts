import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BoundedQueue } from './bounded-queue.ts';

test('BoundedQueue behaves as a bounded list for any sequence of pushes and shifts', () => {
  const steps = fc.array(fc.option(fc.integer(), { nil: null }), { maxLength: 200 });
  fc.assert(
    fc.property(
      steps,
      fc.integer({ min: 1, max: 8 }),
      fc.constantFrom('refuse', 'drop-oldest'),
      (operations, capacity, whenFull) => {
        const queue = new BoundedQueue<number>({ capacity, whenFull });
        const model: number[] = [];
        let lost = 0;
        for (const operation of operations) {
          if (operation === null) assert.equal(queue.shift(), model.shift());
          else {
            const full = model.length >= capacity;
            if (full) lost++;
            if (full && whenFull === 'drop-oldest') model.shift();
            if (!full || whenFull === 'drop-oldest') model.push(operation);
            assert.equal(queue.push(operation), !full || whenFull === 'drop-oldest');
          }
          assert.equal(queue.length, model.length);
        }
        assert.equal(queue.lost, lost);
      },
    ),
    { seed: 2, numRuns: 200 },
  );
});

test('BoundedQueue wakes the waiting taker and rejects it when aborted', async () => {
  const queue = new BoundedQueue<string>({ capacity: 2, whenFull: 'refuse' });
  const taken = queue.take(AbortSignal.timeout(5000));
  queue.push('a');
  queue.push('b');
  assert.equal(await taken, 'a');
  assert.equal(await queue.take(AbortSignal.timeout(5000)), 'b');
  const stop = new AbortController();
  const waiting = queue.take(stop.signal);
  stop.abort(new Error('stopped'));
  await assert.rejects(waiting, /stopped/);
  await assert.rejects(queue.take(stop.signal), /stopped/);
  queue.push('c');
  assert.equal(queue.shift(), 'c');
});
