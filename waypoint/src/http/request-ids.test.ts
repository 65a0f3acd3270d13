import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import { createRequestIds, REQUEST_ID_BYTES_MAX, type WriteRequestId } from './request-ids.ts';

/** A new one, as text. */
function take(write: WriteRequestId): string {
  const memory = Buffer.alloc(REQUEST_ID_BYTES_MAX);
  return memory.toString('latin1', 0, write(memory, 0));
}

test('createRequestIds gives version 4 UUIDs, made of all the random bytes in order', () => {
  let byte = 0;
  const write = createRequestIds((memory) => {
    for (let at = 0; at < memory.length; at += 1, byte += 1) memory[at] = byte;
  });
  assert.equal(take(write), '00010203-0405-4607-8809-0a0b0c0d0e0f');
  assert.equal(take(write), '10111213-1415-4617-9819-1a1b1c1d1e1f');
});

test('createRequestIds never gives an id twice, over several batches', () => {
  const write = createRequestIds((memory) => void randomFillSync(memory));
  const ids = Array.from({ length: 1000 }, () => take(write));
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
