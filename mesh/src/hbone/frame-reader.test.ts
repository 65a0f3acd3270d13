import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { frameOf, uint32 } from '../testing/http2-peer.ts';
import {
  CLIENT_PREFACE,
  encodeGoaway,
  encodePing,
  encodeSettings,
  encodeWindowUpdate,
  FrameFlag,
  FrameType,
  Http2Violation,
  parseSettings,
  readUint32,
  writeFrameHeader,
  writeUint32,
} from './frame-codec.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { DEFAULT_LIMITS } from './limits.ts';

const seed = 20261121;

/** Everything a reader reports, payload joined per frame: what must not depend on fragmentation. */
class Journal implements FrameSink {
  readonly events: unknown[] = [];
  private data: Buffer[] = [];
  private frameBytes = 0;

  onFrameHeader(): void {}
  onDataBegin(_streamId: number, payloadBytes: number): void {
    this.frameBytes = payloadBytes;
    this.data = [];
  }
  onDataBytes(buffer: Buffer, start: number, end: number): void {
    this.data.push(Buffer.from(buffer.subarray(start, end)));
  }
  onDataEnd(streamId: number, endStream: boolean): void {
    this.events.push(['data', streamId, endStream, this.frameBytes, Buffer.concat(this.data).toString('hex')]);
  }
  onHeaderBlock(streamId: number, block: Buffer, endStream: boolean): void {
    this.events.push(['headers', streamId, endStream, block.toString('hex')]);
  }
  onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    this.events.push([type, flags, streamId, payload.toString('hex')]);
  }
}

interface Written {
  readonly bytes: Buffer;
  readonly event: unknown;
}

const streamId = fc.integer({ min: 1, max: 0x7f_ff_ff_ff });
const octets = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));
const padding = fc.option(fc.integer({ min: 0, max: 255 }));

function pad(payload: Buffer, padBytes: number | null): Buffer {
  return padBytes === null ? payload : Buffer.concat([Buffer.from([padBytes]), payload, Buffer.alloc(padBytes, 0xaa)]);
}

const dataFrame: fc.Arbitrary<Written> = fc
  .record({ id: streamId, payload: octets(300), padBytes: padding, end: fc.boolean() })
  .map(({ id, payload, padBytes, end }) => {
    const flags = (end ? FrameFlag.endStream : 0) | (padBytes === null ? 0 : FrameFlag.padded);
    const padded = pad(payload, padBytes);
    return {
      bytes: frameOf(FrameType.data, flags, id, padded),
      event: ['data', id, end, padded.length, payload.toString('hex')],
    };
  });

const headersFrame: fc.Arbitrary<Written> = fc
  .record({
    id: streamId,
    fragments: fc.array(octets(100), { minLength: 1, maxLength: 5 }),
    padBytes: padding,
    priority: fc.boolean(),
    end: fc.boolean(),
  })
  .map(({ id, fragments, padBytes, priority, end }) => {
    const frames = fragments.map((fragment, i) => {
      const last = i === fragments.length - 1 ? FrameFlag.endHeaders : 0;
      if (i > 0) return frameOf(FrameType.continuation, last, id, fragment);
      const flags =
        last |
        (end ? FrameFlag.endStream : 0) |
        (padBytes === null ? 0 : FrameFlag.padded) |
        (priority ? FrameFlag.priority : 0);
      const block = priority ? Buffer.concat([Buffer.alloc(5), fragment]) : fragment;
      return frameOf(FrameType.headers, flags, id, pad(block, padBytes));
    });
    return { bytes: Buffer.concat(frames), event: ['headers', id, end, Buffer.concat(fragments).toString('hex')] };
  });

const otherFrame: fc.Arbitrary<Written> = fc.oneof(
  fc.tuple(streamId, fc.nat(13)).map(([id, code]) => plain(FrameType.rstStream, 0, id, uint32(code))),
  fc.tuple(streamId, fc.nat(1000)).map(([id, bytes]) => plain(FrameType.windowUpdate, 0, id, uint32(bytes))),
  octets(0).map(() => plain(FrameType.settings, FrameFlag.ack, 0, Buffer.alloc(0))),
  fc.nat(1).map((flags) => plain(FrameType.ping, flags, 0, Buffer.from('12345678'))),
  octets(50).map((debug) => plain(FrameType.goaway, 0, 0, Buffer.concat([uint32(7, 0), debug]))),
  fc.tuple(fc.integer({ min: 10, max: 255 }), octets(200)).map(([type, payload]) => ({
    bytes: frameOf(type, 0xff, 3, payload),
    event: undefined,
  })),
);

function plain(type: number, flags: number, id: number, payload: Buffer): Written {
  return { bytes: frameOf(type, flags, id, payload), event: [type, flags, id, payload.toString('hex')] };
}

test('a reader finds every frame whatever the fragmentation', () => {
  const frames = fc.array(fc.oneof(dataFrame, headersFrame, otherFrame), { maxLength: 12 });
  const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(frames, cuts, fc.boolean(), (list, sizes, asServer) => {
      const journal = new Journal();
      const reader = new FrameReader(asServer ? 'server' : 'client', journal, DEFAULT_LIMITS);
      const greeting = encodeSettings([[4, 100]]);
      const wire = Buffer.concat([
        asServer ? CLIENT_PREFACE : Buffer.alloc(0),
        greeting,
        ...list.map(({ bytes }) => bytes),
      ]);
      let at = 0;
      for (let i = 0; at < wire.length; i += 1) {
        const end = Math.min(wire.length, at + (sizes[i % sizes.length] ?? 1));
        reader.push(wire, at, end);
        at = end;
      }
      const expected = list.map(({ event }) => event).filter((event) => event !== undefined);
      assert.deepEqual(journal.events, [[4, 0, 0, greeting.subarray(9).toString('hex')], ...expected]);
    }),
    { seed, numRuns: 400 },
  );
});

test('a reader hands payload on before its frame is complete, without copying', () => {
  const pieces: [Buffer, number, number][] = [];
  const journal = new Journal();
  journal.onDataBytes = (buffer, start, end) => void pieces.push([buffer, start, end]);
  const reader = new FrameReader('client', journal, DEFAULT_LIMITS);
  const wire = Buffer.concat([encodeSettings([]), frameOf(FrameType.data, 0, 1, Buffer.alloc(1000, 1))]);
  reader.push(wire, 0, 500);
  assert.equal(pieces.length, 1);
  assert.deepEqual(pieces[0]?.slice(1), [18, 500]);
  assert.equal(pieces[0]?.[0], wire);
});

test('a reader survives any octets with events or a violation', () => {
  fc.assert(
    fc.property(fc.array(octets(200), { maxLength: 20 }), (chunks) => {
      const reader = new FrameReader('client', new Journal(), DEFAULT_LIMITS);
      try {
        reader.push(encodeSettings([]), 0, 9);
        for (const chunk of chunks) reader.push(chunk, 0, chunk.length);
      } catch (error) {
        assert.ok(error instanceof Http2Violation);
      }
    }),
    { seed, numRuns: 2000 },
  );
});

test('frame headers and numbers are written as RFC 9113 lays them out', () => {
  const header = Buffer.alloc(9);
  writeFrameHeader(header, 0, 0x01_02_03, 4, 5, 0x86_07_08_09);
  assert.equal(header.toString('hex'), '010203040586070809');
  const number = Buffer.alloc(4);
  fc.assert(
    fc.property(fc.nat(0xff_ff_ff_ff), (value) => {
      writeUint32(number, 0, value);
      assert.equal(number.readUInt32BE(), value);
      assert.equal(readUint32(number, 0), value);
    }),
    { seed, numRuns: 200 },
  );
  assert.equal(encodePing(3, true).toString('hex'), '0000080601000000000000000000000003');
  assert.equal(encodeWindowUpdate(5, 9).toString('hex'), '00000408000000000500000009');
  assert.equal(encodeGoaway(7, 11).toString('hex'), '000008070000000000000000070000000b');
});

test('parseSettings() keeps known settings in order', () => {
  const frame = encodeSettings([
    [4, 100],
    [0x42, 5],
    [4, 200],
    [5, 16_384],
  ]);
  assert.deepEqual(parseSettings(frame.subarray(9)), [
    [4, 100],
    [4, 200],
    [5, 16_384],
  ]);
});

test('FrameReader tells a header block that is not complete from any other', () => {
  const reader = new FrameReader('server', new Journal(), DEFAULT_LIMITS);
  const settings = encodeSettings([]);
  const headers = frameOf(FrameType.headers, 0, 1, Buffer.from('82', 'hex'));
  const continuation = frameOf(FrameType.continuation, FrameFlag.endHeaders, 1, Buffer.from('84', 'hex'));
  const whole = frameOf(FrameType.headers, FrameFlag.endHeaders, 3, Buffer.from('8284', 'hex'));
  const seen = [CLIENT_PREFACE, settings, headers.subarray(0, 9), headers.subarray(9), continuation.subarray(0, 4)]
    .concat([continuation.subarray(4), whole, whole.subarray(0, 10), whole.subarray(10)])
    .map((bytes) => {
      reader.push(bytes, 0, bytes.length);
      return reader.unfinishedHead;
    });
  assert.deepEqual(seen, [0, 0, 1, 1, 1, 0, 0, 3, 0]);
});
