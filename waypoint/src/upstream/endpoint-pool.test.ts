import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock, until } from '@ambit/mesh/testing';
import { Deadlines } from '../http/deadlines.ts';
import { EndpointPool } from './endpoint-pool.ts';
import { DEFAULT_UPSTREAM_LIMITS } from './limits.ts';

test('who waits where there was no room for a further connection hears of it, too, when none comes about', async () => {
  const clock = new ManualClock();
  using deadlines = new Deadlines(clock);
  const pool = new EndpointPool({
    connector: { open: () => Promise.reject(new Error('refused')) },
    limits: { ...DEFAULT_UPSTREAM_LIMITS, connectionsMax: 1 },
    ...{ clock, deadlines, logger: silentLogger, name: 'one' },
  });
  const heard: string[] = [];
  for (const name of ['first', 'second', 'third']) {
    const waiter = {
      onConnection: () => assert.fail('there is no connection'),
      onNoConnection: () => void heard.push(name),
      onPoolClosed: () => assert.fail('nobody closes it'),
    };
    assert.equal(pool.acquire(waiter), 'waiting');
  }
  await until('all hear of it', () => heard.length === 3);
  assert.deepEqual([heard, pool.load], [['first', 'second', 'third'], 0]);
});
