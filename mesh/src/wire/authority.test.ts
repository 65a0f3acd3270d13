import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ipAddressFromBytes, parseIpAddress, parsePort } from '../model/address.ts';
import { type Authority, formatAuthority, parseAuthority } from './authority.ts';
import { WireError, type WireErrorCode } from './errors.ts';

function refuses(code: WireErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof WireError && error.code === code && error.detail.path === ':authority';
}
const address = (ip: string, port: number): Authority => ({
  kind: 'address',
  address: { ip: parseIpAddress(ip), port: parsePort(port) },
});
const hostname = (name: string, port: number): Authority => ({
  kind: 'hostname',
  hostname: name,
  port: parsePort(port),
});

describe('parseAuthority()', () => {
  const table: readonly [text: string, expected: Authority, formatted?: string][] = [
    ['10.0.0.1:8080', address('10.0.0.1', 8080)],
    ['10.0.0.1:1', address('10.0.0.1', 1)],
    ['10.0.0.1:65535', address('10.0.0.1', 65535)],
    ['[fd00::1]:443', address('fd00::1', 443)],
    ['[FD00:0::1]:443', address('fd00::1', 443), '[fd00::1]:443'],
    ['[::ffff:10.0.0.1]:80', address('10.0.0.1', 80), '10.0.0.1:80'],
    ['web.shop.svc.cluster.local:80', hostname('web.shop.svc.cluster.local', 80)],
    ['WEB.Example:80', hostname('web.example', 80), 'web.example:80'],
    ['web:80', hostname('web', 80)],
    ['my_service.x-1:80', hostname('my_service.x-1', 80)],
    ['1.2.3.com:80', hostname('1.2.3.com', 80)],
    [`${'a'.repeat(63)}.b:80`, hostname(`${'a'.repeat(63)}.b`, 80)],
  ];
  for (const [text, expected, formatted = text] of table) {
    test(`reads ${text}`, () => {
      assert.deepEqual(parseAuthority(text), expected);
      assert.equal(formatAuthority(expected), formatted);
    });
  }

  const bad = [
    '',
    ':',
    ':80',
    'web',
    'web:',
    'web:0',
    'web:080',
    'web:65536',
    'web:100000',
    'web:+80',
    'web: 80',
    'web:80 ',
    'web:80\n',
    ' web:80',
    '10.0.0.1',
    '10.0.0.256:80',
    '10.0.0.01:80',
    '10.0.0:80',
    '1:80',
    'web.1:80',
    '0x0a.0.0.1:80',
    'fd00::1:80',
    '[fd00::1]',
    '[fd00::1]80',
    '[10.0.0.1]:80',
    '[web]:80',
    '[]:80',
    '[fe80::1%eth0]:80',
    '[fd00::1:80',
    'user@web:80',
    'http://web:80',
    'web/x:80',
    'web..x:80',
    '.web:80',
    'web.:80',
    '-web:80',
    'web-:80',
    'we b:80',
    'wéb:80',
    'web,x:80',
    `${'a'.repeat(64)}:80`,
    `${'a.'.repeat(127)}a:80`,
  ];
  for (const text of bad) {
    test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () =>
      assert.throws(() => parseAuthority(text), refuses('invalid-field')));
  }

  test('takes the longest authority, and refuses what is longer than any', () => {
    const longest = `${'a.'.repeat(126)}a`;
    assert.deepEqual(parseAuthority(`${longest}:65535`), hostname(longest, 65535));
    assert.throws(() => parseAuthority(`${longest}b:65535`), refuses('over-limit'));
  });

  test('round trips with format for any address', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 65535 }), (ip, port) => {
        const authority = { kind: 'address', address: { ip: ipAddressFromBytes(ip), port: parsePort(port) } } as const;
        assert.deepEqual(parseAuthority(formatAuthority(authority)), authority);
      }),
      { seed: 20261121, numRuns: 500 },
    );
  });

  test('round trips with format for any host name', () => {
    fc.assert(
      fc.property(fc.domain(), fc.integer({ min: 1, max: 65535 }), (name, port) => {
        const authority = parseAuthority(`${name}:${port}`);
        assert.deepEqual(authority, { kind: 'hostname', hostname: name.toLowerCase(), port });
        assert.deepEqual(parseAuthority(formatAuthority(authority)), authority);
      }),
      { seed: 20261121, numRuns: 300 },
    );
  });
});
