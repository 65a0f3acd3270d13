import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PodAccount, type WorkloadUsage } from './pod-account.ts';
import { workloadRows } from './workload-rows.ts';

const usage = (name: string, more: Partial<WorkloadUsage>): WorkloadUsage => ({
  ...new PodAccount({ namespace: 'shop', name }).usage(),
  ...more,
});

test('workloadRows() sums the workers and puts first who used most CPU time', () => {
  const rows = workloadRows([
    [usage('web', { cpuMicroseconds: 10, connectionsOpen: 1 }), usage('db', { cpuMicroseconds: 15 })],
    [usage('web', { cpuMicroseconds: 20, connectionsOpen: 2, workload: 'web-deployment' })],
  ]);
  assert.deepEqual(rows, [
    usage('web', { cpuMicroseconds: 30, connectionsOpen: 3, workload: 'web-deployment' }),
    usage('db', { cpuMicroseconds: 15 }),
  ]);
});
