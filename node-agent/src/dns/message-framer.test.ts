import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomOf } from '@ambit/mesh/testing';
import { framed, MessageFramer } from './message-framer.ts';

test('MessageFramer finds the same messages, however the stream is cut', () => {
  const random = randomOf(1035);
  for (let round = 0; round < 300; round++) {
    const messages = Array.from({ length: 6 }, () =>
      Buffer.alloc(Math.floor(random() * 300), Math.floor(random() * 256)),
    );
    const stream = Buffer.concat(messages.map((message) => framed(message)));
    const framer = new MessageFramer();
    const found: Buffer[] = [];
    for (let at = 0; at < stream.length; ) {
      const end = at + 1 + Math.floor(random() * (round % 2 === 0 ? 4 : 400));
      framer.push(stream.subarray(at, end));
      at = end;
      for (let message = framer.next(); message !== null; message = framer.next()) found.push(Buffer.from(message));
    }
    assert.deepEqual(found, messages);
    assert.equal(framer.next(), null);
  }
});

test('MessageFramer keeps what came byte by byte as bytes, not as chunks', () => {
  const message = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
  const framer = new MessageFramer();
  const chunks: Buffer[] = [];
  for (const byte of framed(message)) {
    const chunk = Buffer.from([byte]);
    framer.push(chunk);
    // What was said long ago is not held any more, so that it does not matter what becomes of it.
    if (chunks.push(chunk) > 40) chunks.shift()?.fill(0xff);
  }
  assert.deepEqual(framer.next(), message);
});
