import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { BufferGuard } from './buffer-guard.ts';

const MIB = 1024 * 1024;

test('BufferGuard looks once a second at pods with as many connections as could hold too much, and at no others', async () => {
  const clock = new ManualClock();
  const asked: string[] = [];
  const pods = ['many', 'few'].map((name) => ({
    openCount: 0,
    limitWaiting: (maxBytes: number) => void asked.push(`${name} ${maxBytes / MIB}`),
  }));
  const [many, few] = pods;
  assert.ok(many !== undefined && few !== undefined);
  using guard = new BufferGuard({ clock, maxBytes: 50 * MIB, pods: () => pods });
  few.openCount = 9;
  guard.note(9);
  await clock.advance(5000);
  assert.deepEqual(asked, []);
  many.openCount = 10;
  guard.note(10);
  guard.note(11);
  await clock.advance(1000);
  assert.deepEqual(asked, ['many 50']);
  await clock.advance(1000);
  assert.deepEqual(asked, ['many 50', 'many 50']);
  many.openCount = 9;
  await clock.advance(5000);
  assert.equal(asked.length, 2);
});
