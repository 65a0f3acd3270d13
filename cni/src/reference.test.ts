import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SETTINGS } from './config.ts';
import { cniMetrics, podsMetric } from './metrics.ts';

const page = readFileSync(new URL('../../docs/reference/cni.md', import.meta.url), 'utf8');

/** Cells of a table's rows, without their backticks. */
function rowsUnder(heading: string): readonly (readonly string[])[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((line) =>
    line
      .slice(2, -2)
      .split(' | ')
      .map((cell) => cell.replaceAll('`', '')),
  );
}

test('the reference page names every setting, with its option, default and meaning, and no other', () => {
  assert.deepEqual(
    rowsUnder('Settings'),
    SETTINGS.map(({ name, flag, fallback, describe }) => [
      name,
      flag === undefined ? '-' : `--${flag}`,
      fallback === '' ? '-' : fallback,
      describe,
    ]),
  );
});

test('the reference page names every metric, and no other', () => {
  const specs = [podsMetric, ...Object.values(cniMetrics)];
  assert.deepEqual(
    rowsUnder('Metrics'),
    specs.map(({ name, kind, labels, help }) => [name, kind, labels.length === 0 ? '-' : labels.join(', '), help]),
  );
});
