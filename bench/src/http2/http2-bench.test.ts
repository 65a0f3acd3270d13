import assert from 'node:assert/strict';
import { test } from 'node:test';
import { http2Report, runHttp2Bench } from './http2-bench.ts';

test('runHttp2Bench() has both do every case', async () => {
  let now = 0;
  const results = await runHttp2Bench({
    rounds: 2,
    requestsPerRound: 64,
    signal: new AbortController().signal,
    cpuUs: () => (now += 640),
  });
  assert.equal(results.length, 7);
  for (const { ours, node } of results) {
    assert.deepEqual([ours, node], Array(2).fill({ median: 10, min: 10, max: 10, count: 2 }));
  }
});

test('http2Report() shows both and their ratio', () => {
  const of = (median: number): Parameters<typeof http2Report>[0][number]['ours'] => ({
    median,
    min: median - 0.5,
    max: median + 0.5,
    count: 3,
  });
  assert.equal(
    http2Report([{ name: 'server', streams: 32, ours: of(5), node: of(20) }]),
    [
      '| work | streams | Ambit, CPU µs | node:http2, CPU µs | ratio |',
      '| --- | --- | --- | --- | --- |',
      '| server | 32 | 5 (4.5-5.5) | 20 (19.5-20.5) | 0.25 |',
    ].join('\n'),
  );
});
