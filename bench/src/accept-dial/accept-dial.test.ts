import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptDialReport } from './accept-dial.ts';

test('acceptDialReport() shows each path and what it adds to the one before', () => {
  const of = (name: string, median: number): Parameters<typeof acceptDialReport>[0][number] => ({
    name,
    adds: `adds ${name}`,
    cpuUs: { median, min: median - 1, max: median + 1, count: 3 },
  });
  assert.equal(
    acceptDialReport([of('node', 50), of('namespace', 61.5)]),
    [
      '| path | adds | CPU µs per connection, both ends | step |',
      '| --- | --- | --- | --- |',
      '| node | adds node | 50 (49-51) | - |',
      '| namespace | adds namespace | 61.5 (60.5-62.5) | 11.5 |',
    ].join('\n'),
  );
});
