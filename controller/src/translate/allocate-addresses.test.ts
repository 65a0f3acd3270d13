import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocateAddresses, type AddressClaim } from './allocate-addresses.ts';

const claim = (key: string, createdMs = 0): AddressClaim => ({ key, createdMs });

/** Two keys that lead to the same place, by search. */
function colliding(): readonly [string, string] {
  const seen = new Map<string, string>();
  for (let number = 0; ; number++) {
    const key = `shop|h${number}.example.com`;
    const address = String(allocateAddresses([claim(key)]).get(key)?.[0]);
    const other = seen.get(address);
    if (other !== undefined) return [other, key];
    seen.set(address, key);
  }
}

test('allocateAddresses() gives each claim one address of each family, in the ranges', () => {
  const claims = Array.from({ length: 1000 }, (_, at) => claim(`shop|h${at}.example.com`));
  const allocated = allocateAddresses(claims);
  const all = [...allocated.values()];
  assert.equal(allocated.size, 1000);
  assert.equal(new Set(all.flat()).size, 2000);
  for (const [v4, v6] of all) {
    assert.match(v4, /^240\.240\.\d+\.\d+$/);
    assert.match(v6, /^2001:2::[0-9a-f]+$/);
  }
  assert.deepEqual(allocateAddresses(claims.toReversed()), allocated, 'in whatever order');
});

test('allocateAddresses() leaves an older claim its place', () => {
  const [a, b] = colliding();
  const alone = allocateAddresses([claim(a)]).get(a);
  assert.deepEqual(allocateAddresses([claim(b)]).get(b), alone);
  const older = allocateAddresses([claim(a, 1), claim(b, 2)]);
  assert.deepEqual(older.get(a), alone);
  assert.notDeepEqual(older.get(b), alone);
  assert.deepEqual(allocateAddresses([claim(a, 2), claim(b, 1)]).get(b), alone);
});

test('allocateAddresses() gives one claim one place however often it is made, and none where there is no more', () => {
  assert.equal(allocateAddresses([claim('a'), claim('a', 7)]).size, 1);
  const many = Array.from({ length: 65_600 }, (_, at) => claim(`k${at}`, at));
  const allocated = allocateAddresses(many);
  assert.deepEqual([allocated.size, allocated.has('k65520'), allocated.has('k65521')], [65_521, true, false]);
});
