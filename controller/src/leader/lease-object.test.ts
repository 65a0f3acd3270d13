import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatLease, microTime, readLease } from './lease-object.ts';

const NAME = { namespace: 'ambit-system', name: 'ambit-controller' };

test('a lease that is written is read back the same', () => {
  const record = { holder: 'a', durationMs: 15_000, transitions: 2, acquireTime: microTime(0) };
  const object = formatLease(NAME, record, 1000, '7');
  assert.deepEqual(object['spec'], {
    holderIdentity: 'a',
    leaseDurationSeconds: 15,
    leaseTransitions: 2,
    acquireTime: '1970-01-01T00:00:00.000000Z',
    renewTime: '1970-01-01T00:00:01.000000Z',
  });
  assert.deepEqual(readLease(object), { record, resourceVersion: '7' });
});

test('readLease() takes fields that make no sense for a lease that nobody holds, and bounds the claim', () => {
  const nobody = { holder: '', durationMs: 0, transitions: 0, acquireTime: '' };
  assert.equal(readLease(null), null);
  assert.deepEqual(readLease({}), { record: nobody, resourceVersion: '' });
  assert.deepEqual(readLease({ spec: { holderIdentity: 4, leaseDurationSeconds: 'x', leaseTransitions: 'y' } }), {
    record: nobody,
    resourceVersion: '',
  });
  assert.equal(readLease({ spec: { leaseDurationSeconds: 1e9 } })?.record.durationMs, 60_000);
});
