import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logMetrics } from '@ambit/mesh/runtime';
import { revocationMetrics } from '@ambit/mesh/tls';
import { referenceRows } from '@ambit/mesh/testing';
import { SETTINGS, usage } from './config.ts';
import { FAILURES } from './http/failures.ts';
import { ACCESS_LOG_FIELDS } from './telemetry/access-log-line.ts';
import { byteMetrics } from './telemetry/connection-metrics.ts';
import { CONNECTION_LOG_FIELDS } from './telemetry/connection-line.ts';
import { requestMetrics, waypointMetrics } from './telemetry/request-metrics.ts';

test('the reference page names every setting, with its default and meaning, and no other', () => {
  assert.deepEqual(
    referenceRows('waypoint', 'Settings'),
    SETTINGS.map(({ name, fallback, describe }) => [name, fallback === '' ? '-' : fallback, describe]),
  );
});

test('--help names every setting', () => {
  for (const { name, describe } of SETTINGS)
    assert.ok(usage().includes(`${name} `) && usage().includes(describe), name);
});

test('the reference page names every metric, and no other', () => {
  const specs = [requestMetrics, byteMetrics, waypointMetrics, revocationMetrics, logMetrics].flatMap((group) =>
    Object.values(group),
  );
  assert.deepEqual(
    referenceRows('waypoint', 'Metrics'),
    specs.map(({ name, kind, help }) => [name, kind, help]),
  );
});

test('the reference page names every failure, and no other', () => {
  assert.deepEqual(
    referenceRows('waypoint', 'Failures'),
    Object.entries(FAILURES).map(([reason, { status, flag, text }]) => [reason, String(status), flag, text]),
  );
});

test('the reference page names every field of the access log, and no other', () => {
  assert.deepEqual(
    referenceRows('waypoint', 'Access log'),
    ACCESS_LOG_FIELDS.map(({ name, describe }) => [name, describe]),
  );
});

test('the reference page names every field of the access log of connections, and no other', () => {
  assert.deepEqual(
    referenceRows('waypoint', 'Access log of connections'),
    CONNECTION_LOG_FIELDS.map(({ name, describe }) => [name, describe]),
  );
});
