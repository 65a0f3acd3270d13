import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cidrContains, ipAddressFromBytes, parseCidr, parseIpAddress } from './address.ts';
import { type MeshRanges, RangeIndex } from './mesh-ranges.ts';

function ranges(name: string, blocks: readonly string[], network = ''): MeshRanges {
  return { name, network, blocks: blocks.map(parseCidr) };
}

test('RangeIndex finds addresses of either family in ranges of their network, until those are gone', () => {
  const index = new RangeIndex();
  index.put(ranges('Node/a', ['10.244.0.0/24', 'fd00:a::/64']));
  index.put(ranges('Node/b', ['10.244.1.0/24'], 'east'));
  const contains = (network: string, ip: string): boolean => index.contains(network, parseIpAddress(ip));
  const inside = (): readonly boolean[] => [
    contains('', '10.244.0.255'),
    contains('', 'fd00:a::9'),
    contains('', '10.244.1.1'),
    contains('east', '10.244.1.1'),
    contains('east', '10.244.0.1'),
    contains('west', '10.244.0.1'),
    contains('', 'af4:0::'),
  ];
  assert.deepEqual(inside(), [true, true, false, true, false, false, false]);
  index.put(ranges('Node/a', ['10.244.7.0/24']));
  assert.deepEqual([contains('', '10.244.0.255'), contains('', '10.244.7.1'), index.size], [false, true, 2]);
  index.remove('Node/a');
  index.remove('Node/a');
  assert.deepEqual([contains('', '10.244.7.1'), contains('east', '10.244.1.1'), index.size], [false, true, 1]);
});

test('RangeIndex keeps a block while one of those that have it is left', () => {
  const index = new RangeIndex();
  index.put(ranges('Node/old', ['10.244.0.0/24', '10.244.0.0/24']));
  index.put(ranges('Node/new', ['10.244.0.0/24']));
  index.remove('Node/old');
  assert.equal(index.contains('', parseIpAddress('10.244.0.1')), true);
  index.remove('Node/new');
  assert.equal(index.contains('', parseIpAddress('10.244.0.1')), false);
});

test('RangeIndex agrees with looking at every block', () => {
  const octet = fc.nat({ max: 3 });
  const block = fc
    .tuple(octet, octet, fc.integer({ min: 0, max: 32 }))
    .map(([a, b, length]) => parseCidr(`10.${a}.${b}.0/${length}`));
  const many = fc.array(fc.record({ name: fc.constantFrom('a', 'b', 'c'), blocks: fc.array(block, { maxLength: 3 }) }));
  fc.assert(
    fc.property(many, fc.constantFrom('a', 'b'), octet, octet, (all, gone, a, b) => {
      const index = new RangeIndex();
      const held = new Map<string, MeshRanges>();
      for (const { name, blocks } of all) {
        const one = { name, network: '', blocks };
        index.put(one);
        held.set(name, one);
      }
      index.remove(gone);
      held.delete(gone);
      const ip = ipAddressFromBytes(Uint8Array.of(10, a, b, 9));
      const expected = [...held.values()].some(({ blocks }) => blocks.some((one) => cidrContains(one, ip)));
      assert.equal(index.contains('', ip), expected);
    }),
    { seed: 20261126, numRuns: 500 },
  );
});
