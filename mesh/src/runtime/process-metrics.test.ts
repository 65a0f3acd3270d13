import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { Metrics } from './metrics.ts';
import { registerLogMetrics, registerProcessMetrics } from './process-metrics.ts';

test('registerProcessMetrics shows plausible values of this process', {
  skip: !existsSync('/proc/self/stat') && 'no /proc here',
}, async () => {
  const metrics = new Metrics();
  registerProcessMetrics(metrics, { component: 'demo', version: '1.2.3' });
  assert.equal(await metrics.value('ambit_build_info', ['demo', '1.2.3']), 1);
  const memory = await metrics.value('process_resident_memory_bytes');
  const anonymous = await metrics.value('process_anonymous_memory_bytes');
  assert.ok(memory > 20e6 && memory < 2e9, `${memory}`);
  assert.ok(anonymous > 1e6 && anonymous < memory, `${anonymous}`);
  const cpu = await metrics.value('process_cpu_seconds_total');
  assert.ok(cpu > 0 && cpu < 100, `${cpu}`);
  const [open, max] = [await metrics.value('process_open_fds'), await metrics.value('process_max_fds')];
  assert.ok(open >= 3 && open <= max, `${open} of ${max}`);
});

test('registerLogMetrics shows how many log lines were lost and left out so far', async () => {
  const metrics = new Metrics();
  const logger = { dropped: 0, suppressed: 0 };
  registerLogMetrics(metrics, logger, async () => 2);
  logger.dropped = 3;
  logger.suppressed = 5;
  assert.equal(await metrics.value('ambit_log_lines_dropped_total'), 3);
  assert.equal(await metrics.value('ambit_log_lines_suppressed_total'), 7);
});
