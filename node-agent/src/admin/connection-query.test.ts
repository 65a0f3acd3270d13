import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readConnectionQuery } from './connection-query.ts';
import type { ConnectionFilter } from './match-connection.ts';

describe('readConnectionQuery()', () => {
  const good: readonly (readonly [string, ConnectionFilter, number])[] = [
    ['', {}, 1000],
    ['limit=5', {}, 5],
    ['direction=inbound&namespace=shop&pod=cart-1', { direction: 'inbound', namespace: 'shop', pod: 'cart-1' }, 1000],
    ['min-age=1.5s&min-bytes=0', { minAgeMs: 1500, minBytes: 0 }, 1000],
    ['source=10.0.0.1&destination=[fd00::2]:80&limit=7', { source: '10.0.0.1', destination: '[fd00::2]:80' }, 7],
    ['identity=spiffe://a/ns/b/sa/c&service=d.e', { identity: 'spiffe://a/ns/b/sa/c', service: 'd.e' }, 1000],
  ];
  for (const [query, filter, limit] of good) {
    test(JSON.stringify(query), () => {
      assert.deepEqual(readConnectionQuery(new URLSearchParams(query)), { kind: 'asked', filter, limit });
    });
  }

  const bad: readonly (readonly [string, RegExp])[] = [
    ['limit=0', /^"limit=0": expected a whole number from 1 to 100000$/],
    ['limit=1e3', /whole number/],
    ['limit=100001', /whole number/],
    ['direction=sideways', /^"direction=sideways": expected inbound or outbound$/],
    ['min-age=1', /^"min-age=1": expected a duration/],
    ['min-bytes=-1', /number of bytes/],
    ['pod=', /a value/],
    ['pod=a&pod=b', /each parameter once/],
    ['pods=a', /^"pods=a": expected one of direction, namespace, pod, /],
  ];
  for (const [query, expected] of bad) {
    test(`${query} is refused`, () => {
      const read = readConnectionQuery(new URLSearchParams(query));
      assert.ok(read.kind === 'bad');
      assert.match(read.error, expected);
    });
  }
});
