import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineReader } from './echo-lines.ts';
import { encodeMessage, MessageReader } from './grpc-messages.ts';

test('messages are read as they were written, however they are split', () => {
  const texts = ['', '1', 'x'.repeat(300), '2'];
  const bytes = Buffer.concat(texts.map(encodeMessage));
  for (const step of [1, 4, bytes.length]) {
    const reader = new MessageReader();
    const read = [];
    for (let at = 0; at < bytes.length; at += step) read.push(...reader.add(bytes.subarray(at, at + step)));
    assert.deepEqual(read, texts);
  }
  assert.throws(() => new MessageReader().add(Buffer.from([1, 0, 0, 0, 0])), RangeError);
});

test('lines are read as they were written, however they are split, and have an end', () => {
  const reader = new LineReader();
  assert.deepEqual(
    ['1 a\n2', ' b', '\n3 c\n'].map((chunk) => reader.add(chunk)),
    [['1 a'], [], ['2 b', '3 c']],
  );
  assert.throws(() => new LineReader().add('x'.repeat(2000)), RangeError);
});
