import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routesReport, runRoutesBench } from './routes-bench.ts';

test('runRoutesBench() matches every request of every case, whatever the number of routes', () => {
  let now = 0;
  const results = runRoutesBench({
    rounds: 2,
    matchesPerRound: 16,
    counts: [1, 40],
    signal: new AbortController().signal,
    cpuUs: () => (now += 16),
    heapBytes: () => 5,
  });
  assert.equal(results.length, 4);
  for (const { sizes } of results) {
    const match = { median: 1, min: 1, max: 1, count: 2 };
    assert.deepEqual(sizes, [
      { count: 1, match, heapBytes: 0 },
      { count: 40, match, heapBytes: 0 },
    ]);
  }
});

test('routesReport() shows each size beside the first', () => {
  const of = (median: number) => ({ median, min: median, max: median, count: 1 });
  const sizes = [
    { count: 1, match: of(0.5), heapBytes: 1000 },
    { count: 5000, match: of(0.6), heapBytes: 12_340_000 },
  ];
  assert.equal(
    routesReport([{ name: 'by path', sizes }]),
    [
      '| routes differ | routes | match, CPU µs | to the first | table, MB |',
      '| --- | --- | --- | --- | --- |',
      '| by path | 1 | 0.5 | 1.00 | 0.0 |',
      '| by path | 5000 | 0.6 | 1.20 | 12.3 |',
    ].join('\n'),
  );
});
