import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCidr, parsePort, parseSocketAddress } from './address.ts';
import { allowsEgress, type LockedEgress, NO_EGRESS } from './egress.ts';

const egress: LockedEgress = {
  allowed: [
    { block: parseCidr('192.0.2.0/24'), ports: [] },
    { block: parseCidr('198.51.100.7'), ports: [parsePort(443), parsePort(8443)] },
    { block: parseCidr('2001:db8::/32'), ports: [parsePort(443)] },
  ],
};

const cases: readonly (readonly [string, boolean])[] = [
  ['192.0.2.9:1', true],
  ['192.0.3.9:1', false],
  ['198.51.100.7:443', true],
  ['198.51.100.7:8443', true],
  ['198.51.100.7:80', false],
  ['[2001:db8:1::1]:443', true],
  ['[2001:db8:1::1]:80', false],
  ['[2001:db9::1]:443', false],
];

for (const [address, allowed] of cases) {
  test(`allowsEgress() ${allowed ? 'allows' : 'refuses'} ${address}`, () =>
    assert.equal(allowsEgress(egress, parseSocketAddress(address)), allowed));
}

test('allowsEgress() allows nothing where nothing is allowed', () =>
  assert.equal(allowsEgress(NO_EGRESS, parseSocketAddress('192.0.2.9:1')), false));
