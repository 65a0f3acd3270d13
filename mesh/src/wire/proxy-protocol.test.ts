import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSocketAddress } from '../model/address.ts';
import { parseSpiffeId } from '../model/spiffe-id.ts';
import { formatProxyHeader } from './proxy-protocol.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const IDENTITY = 'spiffe://cluster.local/ns/shop/sa/web';

function hex(source: string, destination: string, identity?: string): string {
  const header = formatProxyHeader({
    source: parseSocketAddress(source),
    destination: parseSocketAddress(destination),
    ...(identity === undefined ? {} : { sourceIdentity: parseSpiffeId(identity) }),
  });
  return Buffer.from(header).toString('hex');
}

describe('formatProxyHeader()', () => {
  test('writes IPv4 addresses and ports', () => {
    assert.equal(
      hex('10.0.0.1:40000', '10.0.0.2:80'),
      `${SIGNATURE}21` + '11' + '000c' + '0a000001' + '0a000002' + '9c40' + '0050',
    );
  });
  test('writes IPv6 addresses and ports', () => {
    const one = 'fd000000000000000000000000000001';
    const two = 'fd000000000000000000000000000002';
    assert.equal(hex('[fd00::1]:1', '[fd00::2]:65535'), `${SIGNATURE}21` + '21' + '0024' + one + two + '0001' + 'ffff');
  });
  test('writes both as IPv6 when one is', () => {
    const mapped = '00000000000000000000ffff0a000001';
    const two = 'fd000000000000000000000000000002';
    assert.equal(hex('10.0.0.1:1', '[fd00::2]:2'), `${SIGNATURE}21` + '21' + '0024' + mapped + two + '0001' + '0002');
    assert.equal(hex('[fd00::2]:2', '10.0.0.1:1'), `${SIGNATURE}21` + '21' + '0024' + two + mapped + '0002' + '0001');
  });
  test('adds the identity of the client as TLV 0xd0, counted in the length', () => {
    const identity = Buffer.from(IDENTITY).toString('hex');
    const length = IDENTITY.length.toString(16).padStart(4, '0');
    const body = (12 + 3 + IDENTITY.length).toString(16).padStart(4, '0');
    assert.equal(
      hex('10.0.0.1:1', '10.0.0.2:2', IDENTITY),
      `${SIGNATURE}21` + '11' + body + '0a000001' + '0a000002' + '0001' + '0002' + 'd0' + length + identity,
    );
  });
});
