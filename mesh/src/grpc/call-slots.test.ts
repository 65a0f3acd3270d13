import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CallSlots } from './call-slots.ts';

test('CallSlots gives so many at a time, and fewer to one source; each is given back once', () => {
  const slots = new CallSlots(3, 2);
  const first = slots.take('a') ?? assert.fail();
  assert.notEqual(slots.take('a'), null);
  assert.equal(slots.take('a'), null);
  assert.notEqual(slots.take('b'), null);
  assert.equal(slots.take('c'), null);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.notEqual(slots.take('c'), null);
  assert.equal(slots.take('b'), null);
});
