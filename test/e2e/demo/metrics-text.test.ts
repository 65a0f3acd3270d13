import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sumOfMetric } from './metrics-text.ts';

test('sumOfMetric() adds samples of exactly this name whose labels match', () => {
  const text = [
    '# TYPE opened_total counter',
    'opened_total{reporter="source",policy="mutual_tls"} 2',
    'opened_total{reporter="destination",policy="mutual_tls"} 3',
    'opened_total{reporter="source",policy="unknown"} 10',
    'opened_total_created{policy="mutual_tls"} 99',
    'plain 7',
  ].join('\n');
  assert.deepEqual(
    [
      sumOfMetric(text, 'opened_total', { policy: 'mutual_tls' }),
      sumOfMetric(text, 'opened_total', {}),
      sumOfMetric(text, 'plain', {}),
      sumOfMetric(text, 'absent', {}),
    ],
    [5, 15, 7, 0],
  );
});
