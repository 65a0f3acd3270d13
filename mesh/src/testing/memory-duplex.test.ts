import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { buffer } from 'node:stream/consumers';
import { createDuplexPair } from './memory-duplex.ts';

test('createDuplexPair carries bytes both ways with half-close', async () => {
  const [left, right] = createDuplexPair();
  left.end(Buffer.alloc(200_000, 1));
  const received = buffer(right);
  assert.equal((await received).length, 200_000);
  right.end('answer');
  assert.equal((await buffer(left)).toString(), 'answer');
});

test('createDuplexPair stops a writer whose reader does not read', async () => {
  const [left, right] = createDuplexPair({ highWaterMarkBytes: 1000 });
  let written = 0;
  while (left.write(Buffer.alloc(100))) written += 100;
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(written <= 2000, `${written}`);
  assert.ok(right.readableLength <= 1100, `${right.readableLength}`);
  const drained = once(left, 'drain');
  right.resume();
  await drained;
  left.destroy();
  right.on('error', () => {});
});

test('createDuplexPair resets one end when the other is destroyed', async () => {
  const [left, right] = createDuplexPair();
  const failed = once(right, 'error');
  left.on('error', () => {}).destroy(new Error('own'));
  const [error] = await failed;
  assert.equal(error.code, 'ECONNRESET');
});
