import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { logMetrics } from '@ambit/mesh/runtime';
import { SETTINGS, usage } from './config.ts';
import { FAILURES } from './proxy/failures.ts';
import { dataPlaneMetrics, trafficMetrics } from './proxy/traffic-metrics.ts';
import { agentMetrics } from './telemetry/agent-metrics.ts';

const page = readFileSync(new URL('../../docs/reference/node-agent.md', import.meta.url), 'utf8');

/** First cells of a table's rows, without their backticks. */
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

test('the reference page names every metric of the agent, and no other', () => {
  const specs = [trafficMetrics, dataPlaneMetrics, agentMetrics, logMetrics].flatMap((group) => Object.values(group));
  assert.deepEqual(
    rowsUnder('Metrics').map(([name, kind, , help]) => [name, kind, help]),
    specs.map(({ name, kind, help }) => [name, kind, help]),
  );
  assert.equal(new Set(specs.map(({ name }) => name)).size, specs.length);
});

test('the reference page names every reason a connection fails for, and no other', () => {
  assert.deepEqual(
    rowsUnder('Why connections fail'),
    Object.entries(FAILURES).map(([reason, { flag, status, message }]) => [reason, flag, String(status), message]),
  );
});
