import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ipAddressToBytes, ipFamily, parseSocketAddress, type SocketAddress } from '../model/address.ts';
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
  test('writes what an independent reader takes for the same, whatever the addresses and however long the identity', () => {
    const segment = fc.stringMatching(/^[a-z0-9]{1,253}$/);
    const port = fc.integer({ min: 1, max: 65_535 });
    const address = fc.oneof(
      fc.tuple(fc.ipV4(), port).map(([ip, at]) => `${ip}:${at}`),
      fc.tuple(fc.ipV6(), port).map(([ip, at]) => `[${ip}]:${at}`),
    );
    const identity = fc.option(
      fc.tuple(segment, segment, segment).map(([domain, ns, sa]) => `spiffe://${domain}/ns/${ns}/sa/${sa}`),
      { nil: undefined },
    );
    fc.assert(
      fc.property(address, address, identity, (source, destination, name) => {
        const from = parseSocketAddress(source);
        const to = parseSocketAddress(destination);
        const id = name === undefined ? undefined : parseSpiffeId(name);
        const header = formatProxyHeader({
          ...{ source: from, destination: to },
          ...(id === undefined ? {} : { sourceIdentity: id }),
        });
        const read = readHeader(Buffer.concat([header, Buffer.from('behind it')]));
        assert.deepEqual(read, {
          ...{ source: mapped(from, to), destination: mapped(to, from), ports: [from.port, to.port] },
          ...{ tlvs: id === undefined ? [] : [[0xd0, id]], rest: 'behind it' },
        });
      }),
      { seed: 20261126, numRuns: 3000 },
    );
  });
});

/** The bytes of an address as a header has them that also holds `other`. */
function mapped(address: SocketAddress, other: SocketAddress): string {
  const bytes = Buffer.from(ipAddressToBytes(address.ip)).toString('hex');
  return bytes.length === 8 && ipFamily(other.ip) === 6 ? `${'0'.repeat(20)}ffff${bytes}` : bytes;
}

/** By the specification of PROXY protocol v2, 2.2, and not by our writer. */
function readHeader(bytes: Buffer): object {
  assert.equal(bytes.toString('hex', 0, 12), SIGNATURE);
  assert.equal(bytes[12], 0x21);
  const size = bytes[13] === 0x11 ? 4 : 16;
  assert.equal(bytes[13], size === 4 ? 0x11 : 0x21);
  const end = 16 + bytes.readUInt16BE(14);
  let at = 16 + size * 2;
  const ports = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)];
  const tlvs: (readonly [number, string])[] = [];
  for (at += 4; at < end; ) {
    const length = bytes.readUInt16BE(at + 1);
    tlvs.push([bytes[at] ?? 0, bytes.toString('utf8', at + 3, at + 3 + length)]);
    at += 3 + length;
  }
  assert.equal(at, end);
  return {
    source: bytes.toString('hex', 16, 16 + size),
    destination: bytes.toString('hex', 16 + size, 16 + size * 2),
    ports,
    tlvs,
    rest: bytes.toString('utf8', end),
  };
}
