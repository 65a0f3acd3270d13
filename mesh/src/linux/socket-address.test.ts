import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type IpAddress, ipAddressFromBytes } from '../model/address.ts';
import { readSockaddr, SOCKADDR_BYTES_MAX, writeSockaddr } from './socket-address.ts';

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const anyIp: fc.Arbitrary<IpAddress> = fc.oneof(bytesOf(4), bytesOf(16)).map(ipAddressFromBytes);

test('readSockaddr() reads back what writeSockaddr() wrote, whatever was in the buffer before', () => {
  const property = fc.property(
    anyIp,
    fc.integer({ min: 1, max: 65535 }),
    bytesOf(SOCKADDR_BYTES_MAX),
    (ip, port, out) => {
      const length = writeSockaddr(out, ip, port);
      assert.equal(length, ip.includes(':') ? 28 : 16);
      assert.deepEqual(readSockaddr(out), { ip, port });
    },
  );
  fc.assert(property, { seed: 20_261, numRuns: 2000 });
});

test('readSockaddr() unwraps mapped addresses and refuses what names no TCP endpoint', () => {
  const mapped = Uint8Array.of(10, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3);
  assert.deepEqual(readSockaddr(mapped), { ip: '10.1.2.3', port: 80 });
  const withoutPort = Uint8Array.of(2, 0, 0, 0, 10, 1, 2, 3);
  const unix = Uint8Array.of(1, 0, 0x2f, 0x61);
  assert.deepEqual(
    [readSockaddr(withoutPort), readSockaddr(unix), readSockaddr(new Uint8Array(0))],
    [null, null, null],
  );
});

test('readSockaddr() keeps its memory of addresses bounded and right', () => {
  const out = new Uint8Array(SOCKADDR_BYTES_MAX);
  for (let i = 0; i < 10_000; i++) {
    const ip = ipAddressFromBytes(Uint8Array.of(10, 1, i >> 8, i & 0xff));
    writeSockaddr(out, ip, 80);
    assert.equal(readSockaddr(out)?.ip, ip);
  }
});
