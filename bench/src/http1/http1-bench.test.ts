import assert from 'node:assert/strict';
import { test } from 'node:test';
import { http1Report, runHttp1Bench } from './http1-bench.ts';

test('runHttp1Bench() has both do every case', () => {
  let now = 0;
  const results = runHttp1Bench({
    rounds: 2,
    messagesPerRound: 10,
    signal: new AbortController().signal,
    cpuUs: () => (now += 100),
  });
  assert.equal(results.length, 6);
  for (const { ours, llhttp } of results) {
    assert.deepEqual([ours, llhttp], Array(2).fill({ median: 10, min: 10, max: 10, count: 2 }));
  }
});

test('http1Report() shows both and their ratio', () => {
  const of = (median: number): Parameters<typeof http1Report>[0][number]['ours'] => ({
    median,
    min: median - 0.5,
    max: median + 0.5,
    count: 3,
  });
  assert.equal(
    http1Report([{ name: 'request', messageBytes: 30, ours: of(1), llhttp: of(4) }]),
    [
      '| message | bytes | Ambit, CPU µs | llhttp, CPU µs | ratio |',
      '| --- | --- | --- | --- | --- |',
      '| request | 30 | 1 (0.5-1.5) | 4 (3.5-4.5) | 0.25 |',
    ].join('\n'),
  );
});
