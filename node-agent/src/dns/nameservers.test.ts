import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { Nameservers, parseResolvConf } from './nameservers.ts';

const rows: readonly (readonly [why: string, text: string, readonly string[]])[] = [
  ['one', 'search a b\nnameserver 10.96.0.10\noptions ndots:5\n', ['10.96.0.10']],
  [
    'both families, blanks and tabs',
    ' nameserver\t10.96.0.10 \nnameserver fd00::a # cluster\n',
    ['10.96.0.10', 'fd00::a'],
  ],
  ['those of the agent itself', 'nameserver 127.0.0.53\nnameserver ::1\n', ['127.0.0.53 own', '::1 own']],
  ['three at most', [1, 2, 3, 4].map((i) => `nameserver 10.0.0.${i}`).join('\n'), ['10.0.0.1', '10.0.0.2', '10.0.0.3']],
  ['none that cannot be asked', 'nameserver fe80::1%eth0\nnameserver x\nnameserver\n#nameserver 10.0.0.1\n', []],
];

for (const [why, text, expected] of rows) {
  test(`parseResolvConf() finds ${why}`, () =>
    assert.deepEqual(
      parseResolvConf(text).map(({ ip, port, isOwn }) => `${ip}${port === 53 ? '' : port}${isOwn ? ' own' : ''}`),
      expected,
    ));
}

test('Nameservers reads the file again after it has changed, and keeps what it knows while it cannot', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-resolv-'));
  using _cleanup = { [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
  const path = join(directory, 'resolv.conf');
  const clock = new ManualClock();
  const servers = new Nameservers({ path, clock, logger: silentLogger });
  const later = async (): Promise<readonly string[]> => {
    await clock.advance(5000);
    return servers.current().map(({ ip }) => ip);
  };
  assert.deepEqual(await later(), []);
  writeFileSync(path, 'nameserver 10.0.0.1\n');
  assert.deepEqual(await later(), ['10.0.0.1']);
  writeFileSync(path, 'nameserver 10.0.0.22\n');
  assert.deepEqual(servers.current()[0]?.ip, '10.0.0.1');
  assert.deepEqual(await later(), ['10.0.0.22']);
  writeFileSync(path, '# nobody\n');
  assert.deepEqual(await later(), ['10.0.0.22']);
  rmSync(path);
  assert.deepEqual(await later(), ['10.0.0.22']);
  writeFileSync(path, 'nameserver 10.0.0.3\n');
  assert.deepEqual(await later(), ['10.0.0.3']);
});
