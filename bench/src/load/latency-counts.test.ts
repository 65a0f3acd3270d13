import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatencyCounts } from './latency-counts.ts';

test('percentileUs() is what the share did not exceed, to one step', () => {
  const table: readonly (readonly [stepsPerUs: number, added: readonly number[], share: number, percentile: number])[] =
    [
      [1, [], 0.5, 0],
      [1, [130.4], 0.5, 130],
      [10, [130.44], 0.5, 130.4],
      [10, [130.46], 0.99, 130.5],
      [10, [1, 2, 3, 4], 0.5, 2],
      [10, [4, 3, 2, 1], 0.51, 3],
      [10, [7, 7, 7, 9], 0.75, 7],
      [10, [7, 7, 7, 9], 0.99, 9],
      [10, [1, 5000], 0.99, 200],
    ];
  for (const [stepsPerUs, added, share, percentile] of table) {
    const latencies = new LatencyCounts({ stepsPerUs, slowestUs: 200 });
    for (const us of added) latencies.add(us);
    assert.equal(latencies.percentileUs(share), percentile, `${share} of ${added.join(', ')}`);
  }
});
