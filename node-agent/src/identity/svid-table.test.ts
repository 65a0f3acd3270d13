import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestCa, ManualClock, testIdentity } from '@ambit/mesh/testing';
import { SVID_WAITERS_PER_IDENTITY_MAX, SvidTable } from './svid-table.ts';

const web = testIdentity('shop', 'web');
const clock = new ManualClock();
const ca = createTestCa({ nowMs: clock.now() });
const valid = ca.issue(web, { notBeforeMs: clock.now(), notAfterMs: clock.now() + 1000 });

test('SvidTable gives an SVID until it expires', async () => {
  const own = new ManualClock();
  const table = new SvidTable({ clock: own });
  assert.deepEqual(table.lookup(web), { kind: 'missing' });
  table.set(web, valid);
  assert.deepEqual(table.lookup(web), { kind: 'valid', svid: valid });
  await own.advance(999);
  assert.equal(table.lookup(web).kind, 'valid');
  await own.advance(1);
  assert.deepEqual(table.lookup(web), { kind: 'expired' });
  table.delete(web);
  assert.deepEqual(table.lookup(web), { kind: 'missing' });
});

test('SvidTable wakes those who wait, and no longer than they can', async () => {
  const own = new ManualClock();
  const table = new SvidTable({ clock: own });
  const heard: string[] = [];
  table.onSet((identity) => heard.push(identity));
  const served = table.wait(web, 5000);
  const other = table.wait(testIdentity('shop', 'other'), 5000);
  table.set(web, valid);
  assert.deepEqual([await served, heard], [{ kind: 'valid', svid: valid }, [web]]);
  await own.advance(5000);
  assert.deepEqual([await other, own.pending], [{ kind: 'missing' }, 0]);
});

test('SvidTable lets those who wait for one certificate leave places for those who wait for another', async () => {
  const own = new ManualClock();
  const table = new SvidTable({ clock: own });
  const other = testIdentity('shop', 'other');
  const waiting = Array.from({ length: SVID_WAITERS_PER_IDENTITY_MAX }, () => table.wait(web, 5000));
  assert.deepEqual(await table.wait(web, 5000), { kind: 'missing' });
  const next = table.wait(other, 5000);
  assert.equal(own.pending, waiting.length + 1);
  await own.advance(5000);
  assert.deepEqual(await next, { kind: 'missing' });
  await Promise.all(waiting);
});
