import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FAULTS, faultOf } from './errors.ts';

test('the README has every fault with its status and meaning, and no other', () => {
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8');
  const rows = [...readme.matchAll(/^\| `(?<code>[a-z-]+)` \| (?<status>\d{3}) \| (?<meaning>.+) \|$/gm)];
  const table = Object.fromEntries(
    rows.map(({ groups }) => [groups?.['code'], [Number(groups?.['status']), groups?.['meaning']]]),
  );
  assert.deepEqual(table, FAULTS);
});

test('faultOf() blames the client for its requests and tells it 502 of a response', () => {
  assert.deepEqual(faultOf('request', 'target-length', 'request-line', 7), {
    code: 'target-length',
    place: 'request-line',
    offset: 7,
    status: 414,
  });
  assert.equal(faultOf('response', 'target-length', 'status-line', 7).status, 502);
});
