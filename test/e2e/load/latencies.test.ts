import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Latencies } from './latencies.ts';

test('latencies give quantiles to a tenth of a millisecond, and the exact slowest', () => {
  const latencies = new Latencies();
  assert.deepEqual(latencies.report, { p50: 0, p99: 0, max: 0 });
  for (let ms = 1; ms <= 99; ms++) latencies.add(ms - 0.05);
  latencies.add(60_000);
  assert.deepEqual(latencies.report, { p50: 50, p99: 99, max: 60_000 });
});
