import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CarrierReader } from '@ambit/mesh/hbone';
import { ManualClock } from '@ambit/mesh/testing';
import { DETECTION_TIMEOUT_MS, InboundStream, InboundStreams, NOBODY } from './inbound-stream.ts';

/** A client of which nobody can tell what it speaks; `seen` is how much was looked at each time. */
function silentStream(clock: ManualClock) {
  const seen: number[] = [];
  const served: string[] = [];
  const reader: CarrierReader = {
    onBytes: (memory, start, end) => void served.push(memory.toString('latin1', start, end)),
    onEnd: () => {},
    onClose: () => {},
  };
  const tell = (_memory: Buffer, start: number, end: number): null => {
    seen.push(end - start);
    return null;
  };
  return { stream: new InboundStream({ reset: () => {} }, { tell, giveUp: () => reader }, clock), seen, served };
}

test('InboundStream gives up a client that is silent for too long', async () => {
  const clock = new ManualClock();
  const { stream, served } = silentStream(clock);
  stream.onBytes(Buffer.from('GET'), 0, 3);
  await clock.advance(DETECTION_TIMEOUT_MS);
  assert.deepEqual(served, ['GET']);
});

test('InboundStream gives up a client that speaks byte by byte, before that costs much', () => {
  const { stream, seen, served } = silentStream(new ManualClock());
  const byte = Buffer.from('a');
  while (served.length === 0) stream.onBytes(byte, 0, 1);
  assert.deepEqual([seen.length, served], [256, ['a'.repeat(256)]]);
  stream.onBytes(byte, 0, 1);
  assert.equal(served.length, 2);
});

test('InboundStreams counts a client until it is served or gone, once', async () => {
  const clock = new ManualClock();
  const streams = new InboundStreams(clock);
  const readers: CarrierReader[] = [];
  const tell = (memory: Buffer, start: number): CarrierReader | null => (memory[start] === 97 ? NOBODY : null);
  const carrier = { read: (reader: CarrierReader) => void readers.push(reader), reset: () => {} };
  for (let count = 1; count <= 4; count += 1) {
    streams.read(carrier, { tell, giveUp: () => NOBODY });
    assert.equal(streams.size, count);
  }
  const [told, silent, gone, ended] = readers;
  const closed = { bytesSent: 0, bytesReceived: 0 };
  told?.onBytes(Buffer.from('a'), 0, 1);
  assert.equal(streams.size, 3);
  told?.onClose(closed);
  gone?.onClose(closed);
  assert.equal(streams.size, 2);
  ended?.onEnd();
  ended?.onClose(closed);
  assert.equal(streams.size, 1);
  await clock.advance(DETECTION_TIMEOUT_MS);
  assert.equal(streams.size, 0);
  silent?.onClose(closed);
  assert.equal(streams.size, 0);
});

test('InboundStreams tell what of clients is held, and can be cut', () => {
  const streams = new InboundStreams(new ManualClock());
  const readers: CarrierReader[] = [];
  let resetCount = 0;
  const carrier = { read: (reader: CarrierReader) => void readers.push(reader), reset: () => void (resetCount += 1) };
  streams.read(carrier, { tell: () => null, giveUp: () => NOBODY });
  const held = (): number[] => [...streams.all].map(({ heldBytes }) => heldBytes);
  assert.deepEqual(held(), [0]);
  readers[0]?.onBytes(Buffer.alloc(5000, 'a'), 0, 5000);
  assert.deepEqual(held(), [5000]);
  for (const stream of streams.all) stream.destroy();
  assert.equal(resetCount, 1);
});
