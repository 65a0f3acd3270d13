import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideLease, type LeaseDecision, type LeaseRecord } from './decide-lease.ts';

const OTHERS: LeaseRecord = { holder: 'b', durationMs: 15_000, transitions: 3, acquireTime: '' };

test('decideLease() takes what is free, keeps what is ours and waits for a holder that was seen alive', () => {
  const rows: readonly [string, LeaseRecord | null, number, LeaseDecision][] = [
    ['no lease', null, 0, { kind: 'create' }],
    ['ours', { ...OTHERS, holder: 'a' }, 0, { kind: 'renew' }],
    ['ours, long ago', { ...OTHERS, holder: 'a' }, 1e9, { kind: 'renew' }],
    ['given back', { ...OTHERS, holder: '' }, 0, { kind: 'take', from: '' }],
    ['alive', OTHERS, 14_999, { kind: 'wait', holder: 'b' }],
    ['silent for its time', OTHERS, 15_000, { kind: 'take', from: 'b' }],
    [
      'a record that claims less than every holder gets',
      { ...OTHERS, durationMs: 0 },
      9999,
      { kind: 'wait', holder: 'b' },
    ],
    ['and after that', { ...OTHERS, durationMs: 0 }, 10_000, { kind: 'take', from: 'b' }],
  ];
  for (const [what, record, unchangedForMs, expected] of rows) {
    assert.deepEqual(decideLease({ record, unchangedForMs, durationMs: 10_000, self: 'a' }), expected, what);
  }
});
