import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openHttp1Backend } from './http1-backend.ts';
import { acceptValue, encodeFrame, FrameReader, OPCODES } from './websocket-frames.ts';

test('acceptValue() is the example of RFC 6455', () => {
  assert.equal(acceptValue('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

test('frames of every length and side are read as they were written, however they are split', () => {
  for (const length of [0, 1, 125, 126, 65_535]) {
    for (const isClient of [true, false]) {
      const payload = Buffer.alloc(length, 'abc');
      const bytes = Buffer.concat([
        encodeFrame(OPCODES.text, payload, isClient),
        encodeFrame(OPCODES.close, Buffer.from([3, 232]), isClient),
      ]);
      for (const step of [1, 7, bytes.length]) {
        const reader = new FrameReader();
        const frames = [];
        for (let at = 0; at < bytes.length; at += step) frames.push(...reader.add(bytes.subarray(at, at + step)));
        assert.deepEqual(frames, [
          { opcode: OPCODES.text, payload },
          { opcode: OPCODES.close, payload: Buffer.from([3, 232]) },
        ]);
      }
    }
  }
});

test('a frame masked as RFC 6455 shows it is read, and what nobody here sends is refused', () => {
  const masked = Buffer.from([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
  assert.deepEqual(new FrameReader().add(masked), [{ opcode: OPCODES.text, payload: Buffer.from('Hello') }]);
  assert.throws(() => new FrameReader().add(Buffer.from([0x01, 0x00])), RangeError);
  assert.throws(() => new FrameReader().add(Buffer.from([0x81, 0x7f])), RangeError);
  assert.throws(() => encodeFrame(OPCODES.text, Buffer.alloc(65_536), true), RangeError);
});

test("Node's own WebSocket agrees with the backend's, to the close", async () => {
  const backend = await openHttp1Backend('v1', 0);
  const socket = new WebSocket(`ws://127.0.0.1:${backend.port}/echo`);
  await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }));
  const echo = new Promise<unknown>((resolve) => {
    socket.addEventListener('message', ({ data }) => resolve(data), { once: true });
  });
  socket.send('7');
  assert.equal(await echo, '7 v1');
  const closed = new Promise<{ readonly code: number; readonly wasClean: boolean }>((resolve) => {
    socket.addEventListener('close', ({ code, wasClean }) => resolve({ code, wasClean }), { once: true });
  });
  socket.close(1000);
  assert.deepEqual(await closed, { code: 1000, wasClean: true });
  await backend.close();
});
