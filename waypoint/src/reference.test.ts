import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SETTINGS, usage } from './config.ts';
import { FAILURES } from './http/failures.ts';
import { ACCESS_LOG_FIELDS } from './telemetry/access-log-line.ts';
import { requestMetrics, waypointMetrics } from './telemetry/request-metrics.ts';

const page = readFileSync(new URL('../../docs/reference/waypoint.md', import.meta.url), 'utf8');

/** Cells of a table's rows, without their backticks. */
function rowsUnder(heading: string): readonly (readonly string[])[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .slice(2, -2)
        .split(' | ')
        .map((cell) => cell.replaceAll('`', '')),
    );
}

test('the reference page names every setting, with its default and meaning, and no other', () => {
  assert.deepEqual(
    rowsUnder('Settings'),
    SETTINGS.map(({ name, fallback, describe }) => [name, fallback === '' ? '-' : fallback, describe]),
  );
});

test('--help names every setting', () => {
  for (const { name, describe } of SETTINGS)
    assert.ok(usage().includes(`${name} `) && usage().includes(describe), name);
});

test('the reference page names every metric, and no other', () => {
  const specs = [requestMetrics, waypointMetrics].flatMap((group) => Object.values(group));
  assert.deepEqual(
    rowsUnder('Metrics'),
    specs.map(({ name, kind, help }) => [name, kind, help]),
  );
});

test('the reference page names every failure, and no other', () => {
  assert.deepEqual(
    rowsUnder('Failures'),
    Object.entries(FAILURES).map(([reason, { status, flag, text }]) => [reason, String(status), flag, text]),
  );
});

test('the reference page names every field of the access log, and no other', () => {
  assert.deepEqual(
    rowsUnder('Access log'),
    ACCESS_LOG_FIELDS.map(({ name, describe }) => [name, describe]),
  );
});
