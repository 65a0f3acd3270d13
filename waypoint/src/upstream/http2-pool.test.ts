import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock, until } from '@ambit/mesh/testing';
import { Deadlines } from '../http/deadlines.ts';
import { Http2Pool, type Http2Waiter } from './http2-pool.ts';
import { DEFAULT_UPSTREAM_LIMITS } from './limits.ts';

test('who is given up by another that hears of no connection hears nothing, and who waits again waits', async () => {
  const clock = new ManualClock();
  using deadlines = new Deadlines(clock);
  const opened: PromiseWithResolvers<never>[] = [];
  const open = (): Promise<never> => {
    opened.push(Promise.withResolvers<never>());
    return opened.at(-1)?.promise ?? assert.fail();
  };
  const common = { connector: { open }, limits: DEFAULT_UPSTREAM_LIMITS, clock, deadlines, logger: silentLogger };
  const pool = new Http2Pool({ ...common, name: 'one' });
  const heard: string[] = [];
  const waiter = (name: string, then: () => void): Http2Waiter => ({
    needsSettings: false,
    onHttp2Connection: () => assert.fail('there is no connection'),
    onNoConnection: () => {
      heard.push(name);
      then();
    },
    onPoolClosed: () => void heard.push(`${name} closed`),
  });
  const copy = waiter('copy', () => {});
  const again: Http2Waiter = waiter('again', () => void pool.acquire(again));
  const first = waiter('first', () => pool.cancel(copy));
  for (const each of [first, copy, again]) assert.equal(pool.acquire(each), 'waiting');
  opened[0]?.reject(new Error('refused'));
  await until('they hear of it', () => heard.length > 0);
  assert.deepEqual([heard, pool.load, opened.length], [['first', 'again'], 1, 2]);
  pool.close();
  assert.deepEqual([heard.at(-1), pool.load], ['again closed', 0]);
});
