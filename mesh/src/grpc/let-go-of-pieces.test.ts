import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamDecoder } from '@grpc/grpc-js/build/src/stream-decoder.js';
import { letGoOfPieces } from './let-go-of-pieces.ts';

function frame(text: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

const piecesOf = (decoder: StreamDecoder): unknown => Reflect.get(decoder, 'readPartialMessage');

test('messages are whole however they are cut, and nothing of them is kept', () => {
  letGoOfPieces();
  letGoOfPieces();
  const bytes = Buffer.concat([frame('first'), frame(''), frame('the second')]);
  for (let size = 1; size <= bytes.length; size++) {
    const decoder = new StreamDecoder(1000);
    const messages: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      for (const message of decoder.write(bytes.subarray(at, at + size))) messages.push(message.toString('utf8', 5));
    }
    assert.deepEqual(messages, ['first', '', 'the second']);
    assert.deepEqual(piecesOf(decoder), []);
  }
  const half = new StreamDecoder(1000);
  half.write(frame('first').subarray(0, 8));
  assert.deepEqual(piecesOf(half), [Buffer.from('fir')]);
});
