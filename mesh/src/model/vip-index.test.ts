import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildService } from '../testing/service-builder.ts';
import { parseIpAddress } from './address.ts';
import type { Service } from './service.ts';
import { VipIndex } from './vip-index.ts';

/** Names of the services found at each address, `-` for none. */
function found(index: VipIndex, ...addresses: string[]): string {
  return addresses
    .map((text) => {
      const [network, ip] = text.includes('/') ? text.split('/') : ['', text];
      return index.find(network ?? '', parseIpAddress(ip ?? ''), undefined)?.name ?? '-';
    })
    .join(' ');
}
function indexOf(...services: Service[]): VipIndex {
  const index = new VipIndex();
  for (const service of services) index.add(service);
  return index;
}

describe('VipIndex', () => {
  test('keeps who shares a VIP when another goes, whichever it is', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => buildService({ name }));
    assert.ok(a !== undefined && b !== undefined && c !== undefined);
    for (const gone of [a, b, c]) {
      const index = indexOf(a, b, c);
      index.remove(gone);
      assert.equal(found(index, '10.96.0.1'), gone === a ? 'b' : 'a');
    }
    const index = indexOf(a, b);
    index.remove(a);
    index.remove(b);
    assert.equal(found(index, '10.96.0.1'), '-');
  });

  test('keeps who shares a block, a length or a network when another goes', () => {
    const a = buildService({ name: 'a', addresses: ['10.0.0.0/16', 'east/10.0.0.1'] });
    const b = buildService({
      name: 'b',
      addresses: ['10.0.0.0/16', '10.1.0.0/16', 'east/10.0.0.0/8', 'east/10.0.0.1'],
    });
    const c = buildService({ name: 'c', addresses: ['10.2.0.0/16', 'east/10.0.0.2', '192.168.0.0/24'] });
    const everywhere = [
      '10.0.0.1',
      '10.1.0.1',
      '10.2.0.1',
      '192.168.0.1',
      'east/10.0.0.1',
      'east/10.0.0.2',
      'east/10.9.9.9',
    ];
    const without = (...gone: Service[]): string => {
      const index = indexOf(a, b, c);
      for (const service of gone) index.remove(service);
      return found(index, ...everywhere);
    };
    assert.equal(without(), 'a b c c a c b');
    assert.equal(without(a), 'b b c c b c b');
    assert.equal(without(b), 'a - c c a c -');
    assert.equal(without(c), 'a b - - a b b');
    assert.equal(without(a, b), '- - c c - c -');
    assert.equal(without(a, c), 'b b - - b b b');
    assert.equal(without(b, c), 'a - - - a - -');
    assert.equal(without(a, b, c), '- - - - - - -');
  });

  test('looks for an address among blocks of its family alone', () => {
    const six = buildService({ name: 'six', addresses: ['fd00::/48'] });
    const four = buildService({ name: 'four', addresses: ['10.0.0.0/8'] });
    assert.equal(found(indexOf(six, four), '10.0.0.1', 'fd00::1', 'fd01::1'), 'four six -');
    assert.equal(found(indexOf(six), '10.0.0.1'), '-');
  });

  test('leaves alone what it was not told of', () => {
    const known = buildService({ name: 'known', addresses: ['10.96.0.1', '10.0.0.0/8'] });
    const index = indexOf(known);
    index.remove(
      buildService({ name: 'stranger', addresses: ['10.96.0.1', '10.0.0.0/8', '10.0.0.0/9', 'east/10.0.0.1'] }),
    );
    index.remove({ ...known });
    assert.equal(found(index, '10.96.0.1', '10.0.0.1'), 'known known');
  });

  test('can be filled again after it was emptied', () => {
    const service = buildService({ name: 'a', addresses: ['10.96.0.1', '10.0.0.0/8'] });
    const index = indexOf(service);
    index.remove(service);
    index.add(service);
    assert.equal(found(index, '10.96.0.1', '10.0.0.1'), 'a a');
  });
});
