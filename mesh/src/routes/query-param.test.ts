import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queryParam } from './query-param.ts';

test('queryParam() takes time in proportion to the query, whatever is in it', () => {
  // Were every parameter to search the rest for a sign, this would take many seconds.
  const query = '&'.repeat(1 << 20);
  const began = process.cpuUsage();
  assert.equal(queryParam(query, 'a'), null);
  const { user, system } = process.cpuUsage(began);
  assert.ok(user + system < 2_000_000, `${user + system} µs of CPU`);
});
