import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameOf } from '../testing/http2-peer.ts';
import {
  checkFrameHeader,
  encodeSettings,
  FRAME_HEADER_BYTES,
  FRAME_MAX_BYTES,
  FrameFlag,
  FrameType,
  Http2Code,
  Http2Violation,
  parseSettings,
  type Setting,
  SettingId,
  WINDOW_MAX_BYTES,
} from './frame-codec.ts';
import { FrameReader } from './frame-reader.ts';

// The last legal value of every bound, and the first illegal one.

/** The code of the violation that `run` throws; -1 when it throws none. */
function violation(run: () => void): number {
  try {
    run();
    return -1;
  } catch (error) {
    if (error instanceof Http2Violation) return error.http2Code;
    throw error;
  }
}

const LEGAL = -1;
const { frameSizeError, protocolError, flowControlError, enhanceYourCalm } = Http2Code;

const headers: readonly (readonly [
  what: string,
  type: number,
  bytes: number,
  streamId: number,
  flags: number,
  code: number,
])[] = [
  ['DATA', FrameType.data, 0, 1, 0, LEGAL],
  ['DATA on the connection', FrameType.data, 0, 0, 0, protocolError],
  ['HEADERS on the connection', FrameType.headers, 1, 0, 0, protocolError],
  ['CONTINUATION on the connection', FrameType.continuation, 1, 0, 0, protocolError],
  ['PRIORITY', FrameType.priority, 5, 1, 0, LEGAL],
  ['PRIORITY on the connection', FrameType.priority, 5, 0, 0, protocolError],
  ['PRIORITY of 4', FrameType.priority, 4, 1, 0, frameSizeError],
  ['PRIORITY of 6', FrameType.priority, 6, 1, 0, frameSizeError],
  ['RST_STREAM', FrameType.rstStream, 4, 1, 0, LEGAL],
  ['RST_STREAM on the connection', FrameType.rstStream, 4, 0, 0, protocolError],
  ['RST_STREAM of 3', FrameType.rstStream, 3, 1, 0, frameSizeError],
  ['RST_STREAM of 5', FrameType.rstStream, 5, 1, 0, frameSizeError],
  ['SETTINGS of two', FrameType.settings, 12, 0, 0, LEGAL],
  ['SETTINGS of a half', FrameType.settings, 9, 0, 0, frameSizeError],
  ['SETTINGS on a stream', FrameType.settings, 6, 1, 0, protocolError],
  ['SETTINGS ACK', FrameType.settings, 0, 0, FrameFlag.ack, LEGAL],
  ['SETTINGS ACK with a setting', FrameType.settings, 6, 0, FrameFlag.ack, frameSizeError],
  ['PUSH_PROMISE', FrameType.pushPromise, 4, 1, 0, protocolError],
  ['PING', FrameType.ping, 8, 0, 0, LEGAL],
  ['PING of 7', FrameType.ping, 7, 0, 0, frameSizeError],
  ['PING of 9', FrameType.ping, 9, 0, 0, frameSizeError],
  ['PING on a stream', FrameType.ping, 8, 1, 0, protocolError],
  ['GOAWAY', FrameType.goaway, 8, 0, 0, LEGAL],
  ['GOAWAY with debug data', FrameType.goaway, 100, 0, 0, LEGAL],
  ['GOAWAY of 7', FrameType.goaway, 7, 0, 0, frameSizeError],
  ['GOAWAY on a stream', FrameType.goaway, 8, 1, 0, protocolError],
  ['WINDOW_UPDATE of a stream', FrameType.windowUpdate, 4, 1, 0, LEGAL],
  ['WINDOW_UPDATE of the connection', FrameType.windowUpdate, 4, 0, 0, LEGAL],
  ['WINDOW_UPDATE of 3', FrameType.windowUpdate, 3, 0, 0, frameSizeError],
  ['WINDOW_UPDATE of 5', FrameType.windowUpdate, 5, 0, 0, frameSizeError],
  ['an unknown frame of any size anywhere', 0xfa, 77, 0, 0xff, LEGAL],
];

test('checkFrameHeader() knows size and place of every frame', () => {
  const found = headers.map(([what, type, bytes, streamId, flags]) => [
    what,
    violation(() => checkFrameHeader(type, bytes, streamId, flags)),
  ]);
  assert.deepEqual(
    found,
    headers.map(([what, , , , , code]) => [what, code]),
  );
});

const settings: readonly (readonly [id: number, value: number, code: number])[] = [
  [SettingId.enablePush, 0, LEGAL],
  [SettingId.enablePush, 1, LEGAL],
  [SettingId.enablePush, 2, protocolError],
  [SettingId.initialWindowSize, 0, LEGAL],
  [SettingId.initialWindowSize, WINDOW_MAX_BYTES, LEGAL],
  [SettingId.initialWindowSize, WINDOW_MAX_BYTES + 1, flowControlError],
  [SettingId.maxFrameSize, 16_384, LEGAL],
  [SettingId.maxFrameSize, 16_383, protocolError],
  [SettingId.maxFrameSize, FRAME_MAX_BYTES, LEGAL],
  [SettingId.maxFrameSize, FRAME_MAX_BYTES + 1, protocolError],
  [SettingId.maxConcurrentStreams, 0xff_ff_ff_ff, LEGAL],
];

test('parseSettings() takes the last legal value and refuses the next', () => {
  for (const [id, value, code] of settings) {
    const payload = encodeSettings([[id, value]]).subarray(FRAME_HEADER_BYTES);
    let parsed: Setting[] = [];
    assert.equal(
      violation(() => (parsed = parseSettings(payload))),
      code,
      `setting ${id} = ${value}`,
    );
    assert.deepEqual(parsed, code === LEGAL ? [[id, value]] : []);
  }
});

const LIMITS = { frameSizeMaxBytes: 600, headerBlockMaxBytes: 300, continuationMax: 3 };
const GREETING = encodeSettings([]);

/** What a reader with LIMITS makes of frames after the greeting: lengths of header blocks and of DATA, or a violation. */
function read(...frames: readonly Buffer[]): {
  readonly code: number;
  readonly blocks: number[];
  readonly dataBytes: number[];
} {
  const blocks: number[] = [];
  const dataBytes: number[] = [];
  const reader = new FrameReader(
    'client',
    {
      onFrameHeader: () => {},
      onDataBegin: () => {},
      onDataBytes: (_buffer, start, end) => dataBytes.push(end - start),
      onDataEnd: () => {},
      onHeaderBlock: (_streamId, block) => blocks.push(block.length),
      onFrame: () => {},
    },
    LIMITS,
  );
  const bytes = Buffer.concat([GREETING, ...frames]);
  return { code: violation(() => reader.push(bytes, 0, bytes.length)), blocks, dataBytes };
}

const block = (bytes: number, last = true): Buffer =>
  frameOf(FrameType.headers, last ? FrameFlag.endHeaders : 0, 1, Buffer.alloc(bytes));
const more = (bytes: number, last: boolean): Buffer =>
  frameOf(FrameType.continuation, last ? FrameFlag.endHeaders : 0, 1, Buffer.alloc(bytes));

test('FrameReader bounds the size of a frame', () => {
  assert.deepEqual(read(frameOf(FrameType.data, 0, 1, Buffer.alloc(600))), {
    code: LEGAL,
    blocks: [],
    dataBytes: [600],
  });
  assert.equal(read(frameOf(FrameType.data, 0, 1, Buffer.alloc(601))).code, frameSizeError);
});

test('FrameReader bounds a header block, each anew', () => {
  assert.deepEqual(read(block(300), block(300), block(200)), { code: LEGAL, blocks: [300, 300, 200], dataBytes: [] });
  assert.equal(read(block(301)).code, enhanceYourCalm);
  assert.deepEqual(read(block(100, false), more(200, true)), { code: LEGAL, blocks: [300], dataBytes: [] });
  assert.equal(read(block(100, false), more(201, true)).code, enhanceYourCalm);
});

test('FrameReader bounds the CONTINUATION frames of a block, each block anew', () => {
  const three = [block(1, false), more(1, false), more(1, false), more(1, true)];
  assert.deepEqual(read(...three, ...three), { code: LEGAL, blocks: [4, 4], dataBytes: [] });
  assert.equal(read(...three.slice(0, 3), more(1, false), more(1, true)).code, enhanceYourCalm);
});

test('FrameReader bounds padding by its frame', () => {
  const padded = (bytes: number, padBytes: number): Buffer => {
    const payload = Buffer.alloc(bytes);
    payload[0] = padBytes;
    return frameOf(FrameType.data, FrameFlag.padded, 1, payload);
  };
  assert.deepEqual(read(padded(11, 9)), { code: LEGAL, blocks: [], dataBytes: [1] });
  assert.deepEqual(read(padded(11, 10)), { code: LEGAL, blocks: [], dataBytes: [] });
  assert.equal(read(padded(11, 11)).code, protocolError);
});

test('FrameReader knows the order of frames: SETTINGS first and no acknowledgement, a header block unbroken', () => {
  const order = (...frames: readonly Buffer[]): number => {
    const nothing = (): void => {};
    const sink = {
      onFrameHeader: nothing,
      onDataBegin: nothing,
      onDataBytes: nothing,
      onDataEnd: nothing,
      onHeaderBlock: nothing,
      onFrame: nothing,
    };
    const bytes = Buffer.concat(frames);
    return violation(() => new FrameReader('client', sink, LIMITS).push(bytes, 0, bytes.length));
  };
  const of = (streamId: number): Buffer => frameOf(FrameType.continuation, FrameFlag.endHeaders, streamId);
  const acknowledgement = frameOf(FrameType.settings, FrameFlag.ack, 0);
  assert.deepEqual(
    [
      order(GREETING, acknowledgement),
      order(acknowledgement),
      order(block(1)),
      order(GREETING, block(1, false), of(1)),
      order(GREETING, block(1, false), of(3)),
      order(GREETING, block(1, false), block(1)),
      order(GREETING, of(1)),
      order(GREETING, block(1), of(1)),
    ],
    [LEGAL, protocolError, protocolError, LEGAL, protocolError, protocolError, protocolError, protocolError],
  );
});

test('FrameReader ignores the reserved bit of a stream identifier', () => {
  const streams: number[] = [];
  const reader = new FrameReader(
    'client',
    {
      onFrameHeader: (_type, _flags, streamId) => streams.push(streamId),
      onDataBegin: () => {},
      onDataBytes: () => {},
      onDataEnd: () => {},
      onHeaderBlock: () => {},
      onFrame: () => {},
    },
    LIMITS,
  );
  const frame = frameOf(FrameType.data, 0, 5, Buffer.alloc(1));
  frame.writeUInt8(0x80, 5);
  const bytes = Buffer.concat([GREETING, frame]);
  reader.push(bytes, 0, bytes.length);
  assert.deepEqual(streams, [0, 5]);
});
