import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policiesReport, runPoliciesBench } from './policies-bench.ts';

test('runPoliciesBench() has every request of every case allowed, however many rules there are', () => {
  let now = 0;
  const results = runPoliciesBench({
    rounds: 2,
    requestsPerRound: 16,
    counts: [1, 40],
    signal: new AbortController().signal,
    cpuUs: () => (now += 20),
  });
  assert.equal(results.length, 4);
  for (const { sizes } of results) {
    const of = (median: number) => ({ median, min: median, max: median, count: 2 });
    assert.deepEqual(
      sizes,
      [1, 40].map((count) => ({ count, request: of(1.25), caller: of(1) })),
    );
  }
});

test('policiesReport() shows each size beside the first', () => {
  const of = (median: number) => ({ median, min: median, max: median, count: 1 });
  const sizes = [
    { count: 1, request: of(0.5), caller: of(2) },
    { count: 1000, request: of(0.6), caller: of(300) },
  ];
  assert.equal(
    policiesReport([{ name: 'by path', sizes }]),
    [
      '| rules differ | rules | request, CPU µs | to the first | first requests after a change, CPU µs |',
      '| --- | --- | --- | --- | --- |',
      '| by path | 1 | 0.5 | 1.00 | 2 |',
      '| by path | 1000 | 0.6 | 1.20 | 300 |',
    ].join('\n'),
  );
});
