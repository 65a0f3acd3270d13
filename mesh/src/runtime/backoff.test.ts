import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBackoff } from './backoff.ts';

test('Backoff grows by its factor up to its maximum and starts again after a reset', () => {
  const backoff = createBackoff({ initialMs: 10, maxMs: 50, factor: 2, jitter: 0 }, () => 0.5);
  assert.deepEqual(
    [backoff.nextMs(), backoff.nextMs(), backoff.nextMs(), backoff.nextMs(), backoff.nextMs()],
    [10, 20, 40, 50, 50],
  );
  backoff.reset();
  assert.equal(backoff.nextMs(), 10);
});

test('Backoff stays within its jitter and never exceeds its maximum', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 30 }),
      (randoms) => {
        let at = 0;
        const backoff = createBackoff(
          { initialMs: 100, maxMs: 15_000, factor: 2, jitter: 0.2 },
          () => randoms[at++ % randoms.length] ?? 0,
        );
        let expected = 100;
        for (let attempt = 0; attempt < 12; attempt++) {
          const delay = backoff.nextMs();
          assert.ok(delay >= expected * 0.8 - 1e-6 && delay <= Math.min(15_000, expected * 1.2) + 1e-6);
          expected = Math.min(15_000, expected * 2);
        }
      },
    ),
    { seed: 1, numRuns: 100 },
  );
});

test('createBackoff refuses numbers that make no sense', () => {
  for (const wrong of [{ initialMs: 0 }, { maxMs: 1 }, { factor: 0.5 }, { jitter: 2 }]) {
    assert.throws(() => createBackoff({ initialMs: 10, maxMs: 100, factor: 2, jitter: 0, ...wrong }), RangeError);
  }
});
