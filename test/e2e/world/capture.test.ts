import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tcpSegment, TlsRecordCounter } from './capture.ts';

function frameV4(sourcePort: number, destinationPort: number, payload: Buffer, padding = 0): Buffer {
  const frame = Buffer.alloc(14 + 20 + 20 + payload.length + padding);
  frame.writeUInt16BE(0x0800, 12);
  frame[14] = 0x45;
  frame.writeUInt16BE(40 + payload.length, 16);
  frame[23] = 6;
  frame.writeUInt16BE(sourcePort, 34);
  frame.writeUInt16BE(destinationPort, 36);
  frame[46] = 0x50;
  payload.copy(frame, 54);
  return frame;
}

const record = (type: number, length: number): Buffer =>
  Buffer.concat([Buffer.from([type, 3, 3, length >> 8, length & 0xff]), Buffer.alloc(length, 0xaa)]);

test('tcpSegment() finds segments of a port in either direction, without the padding of the frame', () => {
  const payload = Buffer.from('hello');
  assert.equal(tcpSegment(frameV4(40000, 15008, payload, 6), 15008)?.payload.toString(), 'hello');
  assert.equal(tcpSegment(frameV4(15008, 40000, payload), 15008)?.payload.toString(), 'hello');
  assert.equal(tcpSegment(frameV4(40000, 80, payload), 15008), null);
  assert.equal(tcpSegment(Buffer.alloc(60), 15008), null);
  const flows = [frameV4(1, 15008, payload), frameV4(2, 15008, payload), frameV4(15008, 1, payload)];
  assert.equal(new Set(flows.map((frame) => tcpSegment(frame, 15008)?.flow)).size, 3);
});

test('TlsRecordCounter counts application data across any segmentation, and nothing of other records', () => {
  const stream = Buffer.concat([record(22, 300), record(23, 1000), record(21, 2), record(23, 16_401)]);
  for (const segmentBytes of [1, 3, 7, 1448, 65_536]) {
    const counter = new TlsRecordCounter();
    for (let at = 0; at < stream.length; at += segmentBytes) {
      counter.add({ flow: 'a', payload: stream.subarray(at, at + segmentBytes) });
    }
    assert.equal(counter.applicationBytes, 17_401, `segments of ${segmentBytes}`);
  }
});

test('TlsRecordCounter counts nothing of what is not TLS, and goes on at the next record', () => {
  const counter = new TlsRecordCounter();
  counter.add({ flow: 'a', payload: Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(100)) });
  assert.equal(counter.applicationBytes, 0);
  counter.add({ flow: 'a', payload: record(22, 100) });
  assert.equal(counter.applicationBytes, 0);
  counter.add({ flow: 'a', payload: record(23, 100) });
  counter.add({ flow: 'b', payload: record(23, 10) });
  assert.equal(counter.applicationBytes, 110);
});
