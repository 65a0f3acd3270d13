import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceRows } from '@ambit/mesh/testing';
import { STOP_REASONS } from '@ambit/mesh/observe';
import { logMetrics } from '@ambit/mesh/runtime';
import { revocationMetrics } from '@ambit/mesh/tls';
import { SETTINGS, usage } from './config.ts';
import { workloadMetrics } from './accounting/workload-metrics.ts';
import { dnsMetrics } from './dns/dns-metrics.ts';
import { FAILURES } from './proxy/failures.ts';
import { dataPlaneMetrics, trafficMetrics } from './proxy/traffic-metrics.ts';
import { requestMetrics } from './requests/request-metrics.ts';
import { agentMetrics } from './telemetry/agent-metrics.ts';

test('the reference page names every setting, with its default and meaning, and no other', () => {
  assert.deepEqual(
    referenceRows('node-agent', 'Settings'),
    SETTINGS.map(({ name, fallback, describe }) => [name, fallback === '' ? '-' : fallback, describe]),
  );
});

test('--help names every setting', () => {
  for (const { name, describe } of SETTINGS)
    assert.ok(usage().includes(`${name} `) && usage().includes(describe), name);
});

test('the reference page names every metric of the agent, and no other', () => {
  const groups = [
    trafficMetrics,
    requestMetrics,
    dataPlaneMetrics,
    workloadMetrics,
    dnsMetrics,
    agentMetrics,
    revocationMetrics,
    logMetrics,
  ];
  const specs = groups.flatMap((group) => Object.values(group));
  assert.deepEqual(
    referenceRows('node-agent', 'Metrics').map(([name, kind, , help]) => [name, kind, help]),
    specs.map(({ name, kind, help }) => [name, kind, help]),
  );
  assert.equal(new Set(specs.map(({ name }) => name)).size, specs.length);
});

test('the reference page names every reason that requests are not read for, and no other', () => {
  assert.deepEqual(
    referenceRows('node-agent', 'Requests')
      .slice(-STOP_REASONS.length)
      .map(([reason]) => reason),
    STOP_REASONS,
  );
});

test('the reference page names every reason a connection fails for, and no other', () => {
  assert.deepEqual(
    referenceRows('node-agent', 'Why connections fail'),
    Object.entries(FAILURES).map(([reason, { flag, status, message }]) => [reason, flag, String(status), message]),
  );
});
