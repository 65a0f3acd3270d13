import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  cidrContains,
  cidrContainsBytes,
  createCidr,
  formatCidr,
  formatSocketAddress,
  ipAddressFromBytes,
  ipAddressToBytes,
  ipFamily,
  isLoopback,
  parseCidr,
  parseIpAddress,
  parsePort,
  parseListenAddress,
  parseSocketAddress,
} from './address.ts';
import { ModelError, type ModelErrorCode } from './errors.ts';

const SEED = { seed: 20261121, numRuns: 500 };
const octets = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const addressBytes = fc.oneof(octets(4), octets(16));

function refuses(code: ModelErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ModelError && error.code === code;
}

describe('parseIpAddress()', () => {
  const table: readonly [text: string, canonical: string][] = [
    ['10.0.0.1', '10.0.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['FD00::ABCD', 'fd00::abcd'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::ffff:a00:1', '10.0.0.1'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
  ];
  for (const [text, canonical] of table) {
    test(`${text} becomes ${canonical}`, () => assert.equal(parseIpAddress(text), canonical));
  }

  const bad = [
    '',
    ' 10.0.0.1',
    '10.0.0.1 ',
    '10.0.0',
    '10.0.0.0.1',
    '10.0.0.256',
    '10.0.0.01',
    '010.0.0.1',
    '0x0a.0.0.1',
    '167772161',
    '10.0.0.-1',
    'localhost',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    'fe80::1%eth0',
    '[::1]',
    '::ffff:010.0.0.1',
    '::ffff:10.0.0.256',
    '::ffff:0xa.0.0.1',
    'g::1',
    '10.0.0.1/32',
    '::1/128',
    '10.0.0.1\n',
  ];
  for (const text of bad) {
    test(`refuses ${JSON.stringify(text)}`, () =>
      assert.throws(() => parseIpAddress(text), refuses('invalid-address')));
  }

  test('says what was wrong and never more than 200 characters of it', () => {
    const text = 'x'.repeat(10_000);
    assert.throws(
      () => parseIpAddress(text),
      (error) => {
        assert.ok(error instanceof ModelError);
        assert.deepEqual(error.detail, { value: text, expected: 'an IPv4 or IPv6 address' });
        assert.equal(error.message, `invalid-address: "${'x'.repeat(200)}" is not an IPv4 or IPv6 address`);
        return true;
      },
    );
  });
});

describe('IP addresses and bytes', () => {
  test('convert both ways', () => {
    assert.equal(ipAddressFromBytes(Uint8Array.of(10, 0, 0, 1)), '10.0.0.1');
    assert.deepEqual(ipAddressToBytes(parseIpAddress('10.0.255.1')), Uint8Array.of(10, 0, 255, 1));
    assert.deepEqual([...ipAddressToBytes(parseIpAddress('1:2::ff'))], [0, 1, 0, 2, ...Array(11).fill(0), 255]);
    const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1);
    assert.equal(ipAddressFromBytes(mapped), '10.0.0.1');
  });
  for (const length of [0, 3, 5, 15, 17]) {
    test(`refuse ${length} bytes`, () =>
      assert.throws(() => ipAddressFromBytes(new Uint8Array(length)), refuses('invalid-address')));
  }
  test('agree for any address: text and bytes round trip, and the text is already canonical', () => {
    fc.assert(
      fc.property(addressBytes, (bytes) => {
        const ip = ipAddressFromBytes(bytes);
        assert.equal(parseIpAddress(ip), ip);
        const back = ipAddressToBytes(ip);
        assert.equal(ipAddressFromBytes(back), ip);
        if (bytes.length === 4 || ipFamily(ip) === 6) assert.deepEqual(back, bytes);
      }),
      SEED,
    );
  });
  test('parse refuses or gives canonical text for any input whatever', () => {
    const text = fc.oneof(
      fc.string(),
      fc.ipV6(),
      fc.ipV4Extended(),
      fc.string({ unit: fc.constantFrom('0', 'f', '.', ':', '%') }),
    );
    fc.assert(
      fc.property(text, (input) => {
        try {
          const ip = parseIpAddress(input);
          assert.equal(parseIpAddress(ip), ip);
        } catch (error) {
          assert.ok(refuses('invalid-address')(error), String(error));
        }
      }),
      SEED,
    );
  });
  test('know their family and whether they are loopback', () => {
    const facts = ['10.0.0.1', '127.0.0.1', '127.255.0.9', '::1', '::2', '128.0.0.1'].map((text) => {
      const ip = parseIpAddress(text);
      return [text, ipFamily(ip), isLoopback(ip)];
    });
    assert.deepEqual(facts, [
      ['10.0.0.1', 4, false],
      ['127.0.0.1', 4, true],
      ['127.255.0.9', 4, true],
      ['::1', 6, true],
      ['::2', 6, false],
      ['128.0.0.1', 4, false],
    ]);
  });
});

describe('parsePort()', () => {
  for (const value of [1, 80, 65535, '1', '65535', '08']) {
    test(`accepts ${JSON.stringify(value)}`, () => assert.equal(parsePort(value), Number(value)));
  }
  for (const value of [0, -1, 65536, 1.5, Number.NaN, '', '0', '65536', '100000', '8o', '-1', ' 80', '1e3', '0x50']) {
    test(`refuses ${JSON.stringify(value)}`, () => assert.throws(() => parsePort(value), refuses('invalid-port')));
  }
});

describe('parseListenAddress()', () => {
  test('takes port 0, unlike parseSocketAddress()', () => {
    assert.deepEqual(parseListenAddress('[FD00::1]:0'), { ip: 'fd00::1', port: 0 });
    assert.deepEqual(parseListenAddress('10.0.0.1:80'), { ip: '10.0.0.1', port: 80 });
    assert.throws(() => parseSocketAddress('10.0.0.1:0'), refuses('invalid-port'));
    assert.throws(() => parseListenAddress('host:0'), refuses('invalid-address'));
  });
});

describe('parseSocketAddress()', () => {
  const table: readonly [text: string, formatted: string][] = [
    ['10.0.0.1:80', '10.0.0.1:80'],
    ['[::1]:443', '[::1]:443'],
    ['[FD00::1]:1', '[fd00::1]:1'],
    ['[::ffff:10.0.0.1]:80', '10.0.0.1:80'],
  ];
  for (const [text, formatted] of table) {
    test(`${text} is ${formatted}`, () => assert.equal(formatSocketAddress(parseSocketAddress(text)), formatted));
  }
  const badAddresses = [
    '',
    '10.0.0.1',
    '::1:80',
    '[::1]',
    '[10.0.0.1]:80',
    'host:80',
    ':80',
    '[]:80',
    '10.0.0.1:',
    'a:b:1',
  ];
  for (const text of badAddresses) {
    test(`refuses ${JSON.stringify(text)}`, () =>
      assert.throws(() => parseSocketAddress(text), refuses('invalid-address')));
  }
  for (const text of ['10.0.0.1:0', '[::1]:65536']) {
    test(`refuses the port of ${text}`, () => assert.throws(() => parseSocketAddress(text), refuses('invalid-port')));
  }
  test('round trips with format for any address', () => {
    fc.assert(
      fc.property(addressBytes, fc.integer({ min: 1, max: 65535 }), (bytes, port) => {
        const address = { ip: ipAddressFromBytes(bytes), port: parsePort(port) };
        assert.deepEqual(parseSocketAddress(formatSocketAddress(address)), address);
      }),
      SEED,
    );
  });
});

describe('parseCidr()', () => {
  const table: readonly [text: string, formatted: string][] = [
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.3', '10.1.2.3/32'],
    ['10.255.255.255/25', '10.255.255.128/25'],
    ['1.2.3.4/0', '0.0.0.0/0'],
    ['fd00::1', 'fd00::1/128'],
    ['fd00:ffff::/17', 'fd00:8000::/17'],
    ['::/0', '::/0'],
  ];
  for (const [text, formatted] of table) {
    test(`${text} is ${formatted}`, () => assert.equal(formatCidr(parseCidr(text)), formatted));
  }
  for (const text of [
    '',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '10.0.0.0/ 8',
    '10.0.0.0/1e1',
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseCidr(text), refuses('invalid-cidr')));
  }
});

describe('createCidr()', () => {
  for (const [bytes, prefixLength] of [
    [3, 0],
    [4, 33],
    [4, -1],
    [4, 1.5],
    [16, 129],
    [0, 0],
  ] as const) {
    test(`refuses /${prefixLength} of ${bytes} bytes`, () =>
      assert.throws(() => createCidr(new Uint8Array(bytes), prefixLength), refuses('invalid-cidr')));
  }
  test('leaves the given bytes alone', () => {
    const given = Uint8Array.of(10, 1, 2, 3);
    createCidr(given, 8);
    assert.deepEqual(given, Uint8Array.of(10, 1, 2, 3));
  });
});

describe('cidrContains()', () => {
  const table: readonly [cidr: string, ip: string, expected: boolean][] = [
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/31', '10.0.0.1', true],
    ['10.0.0.0/31', '10.0.0.2', false],
    ['10.0.0.128/25', '10.0.0.129', true],
    ['10.0.0.128/25', '10.0.0.127', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '1.2.3.4', false],
    ['::/0', 'fd00::1', true],
    ['fd00::/17', 'fd00:7fff::1', true],
    ['fd00::/17', 'fd00:8000::1', false],
    ['fd00::1', 'fd00::1', true],
    ['fd00::1', 'fd00::2', false],
  ];
  for (const [cidr, ip, expected] of table) {
    test(`${cidr} ${expected ? 'contains' : 'does not contain'} ${ip}`, () =>
      assert.equal(cidrContains(parseCidr(cidr), parseIpAddress(ip)), expected));
  }
  test('agrees with clearing the host bits, for any two addresses and any length', () => {
    const pair = fc.oneof(
      fc.tuple(octets(4), octets(4), fc.integer({ min: 0, max: 32 })),
      fc.tuple(octets(16), octets(16), fc.integer({ min: 0, max: 128 })),
    );
    const near = pair.map(([a, b, length]) => {
      // Otherwise two random addresses hardly ever share a long prefix.
      const mixed = b.map((byte, i) => (i * 8 < length ? (a[i] ?? 0) : byte));
      return [a, mixed, length] as const;
    });
    fc.assert(
      fc.property(fc.oneof(pair, near), ([a, b, length]) => {
        const cidr = createCidr(a, length);
        assert.equal(cidrContainsBytes(cidr, b), formatBits(b, length) === formatBits(a, length));
        assert.equal(cidrContainsBytes(cidr, a), true);
      }),
      SEED,
    );
  });
});

function formatBits(bytes: Uint8Array, length: number): string {
  return [...bytes]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
    .slice(0, length);
}
