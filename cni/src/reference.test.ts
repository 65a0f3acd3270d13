import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceRows } from '@ambit/mesh/testing';
import { SETTINGS } from './config.ts';
import { cniMetrics, podsMetric, podsWarnedMetric } from './metrics.ts';

test('the reference page names every setting, with its option, default and meaning, and no other', () => {
  assert.deepEqual(
    referenceRows('cni', 'Settings'),
    SETTINGS.map(({ name, flag, fallback, describe }) => [
      name,
      flag === undefined ? '-' : `--${flag}`,
      fallback === '' ? '-' : fallback,
      describe,
    ]),
  );
});

test('the reference page names every metric, and no other', () => {
  const specs = [podsMetric, podsWarnedMetric, ...Object.values(cniMetrics)];
  assert.deepEqual(
    referenceRows('cni', 'Metrics'),
    specs.map(({ name, kind, labels, help }) => [name, kind, labels.length === 0 ? '-' : labels.join(', '), help]),
  );
});
