import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessRecords, parseAccessLine, recordOfSource } from './access-log.ts';

const line = (direction: string, source: string, extra = ''): string =>
  `2026-01-01T00:00:00.000Z\tinfo\taccess\tconnection complete\tsrc.addr=${source} src.workload="cart" direction="${direction}" duration="12ms"${extra}`;

test('parseAccessLine() reads quoted and bare values', () => {
  const record = parseAccessLine(line('outbound', '10.0.0.1:40000', ' error="policy \\"x\\" denied"'));
  assert.deepEqual(
    [...(record?.fields ?? [])],
    [
      ['src.addr', '10.0.0.1:40000'],
      ['src.workload', 'cart'],
      ['direction', 'outbound'],
      ['duration', '12ms'],
      ['error', 'policy "x" denied'],
    ],
  );
});

test('accessRecords() skips lines of other targets, half lines and the other direction', () => {
  const text = [
    line('inbound', '10.0.0.1:1'),
    '2026-01-01T00:00:00.000Z\tinfo\tpods\tpod added\tpod.uid="x"',
    line('outbound', '10.0.0.1:2'),
    '2026-01-01',
  ].join('\n');
  assert.deepEqual(
    accessRecords(text, 'outbound').map((record) => record.fields.get('src.addr')),
    ['10.0.0.1:2'],
  );
});

test('recordOfSource() finds the newest record of an address that was used twice', () => {
  const records = accessRecords(
    [line('outbound', '10.0.0.1:2'), line('outbound', '10.0.0.1:2', ' error="x"')].join('\n'),
    'outbound',
  );
  assert.equal(recordOfSource(records, '10.0.0.1:2')?.fields.get('error'), 'x');
  assert.equal(recordOfSource(records, '10.0.0.1:3'), undefined);
});
