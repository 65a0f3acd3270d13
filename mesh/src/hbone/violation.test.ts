import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockOf, connectBlock, frameOf, type Http2Peer, securePeer, uint32 } from '../testing/http2-peer.ts';
import { dial, listenHbone, webSvid } from '../testing/tunnel-world.ts';
import { encodeGoaway, encodeSettings, FrameFlag, FrameType, Http2Code, type Setting } from './frame-codec.ts';
import type { HboneError } from './errors.ts';

const { data, headers, priority, rstStream, settings, pushPromise, ping, goaway, windowUpdate, continuation } =
  FrameType;
const { none, endStream, ack, endHeaders, padded } = FrameFlag;

const connect = frameOf(headers, endHeaders, 1, connectBlock());
const raw = (...bytes: number[]): Buffer => Buffer.from(bytes);

interface Breach {
  readonly name: string;
  readonly frames: readonly Uint8Array[];
  /** Code of the GOAWAY that ends the connection. */
  readonly code: number;
}

const setting = (...list: Setting[]): Buffer => encodeSettings(list);

/** What a client sends after its greeting. */
const breaches: readonly Breach[] = [
  { name: 'DATA on stream 0', frames: [frameOf(data, none, 0, raw(1))], code: Http2Code.protocolError },
  { name: 'DATA on an idle stream', frames: [frameOf(data, none, 5, raw(1))], code: Http2Code.protocolError },
  {
    name: 'HEADERS on stream 0',
    frames: [frameOf(headers, endHeaders, 0, connectBlock())],
    code: Http2Code.protocolError,
  },
  {
    name: 'HEADERS on an even stream',
    frames: [frameOf(headers, endHeaders, 2, connectBlock())],
    code: Http2Code.protocolError,
  },
  {
    name: 'HEADERS on a lower stream than before',
    frames: [frameOf(headers, endHeaders, 5, connectBlock()), frameOf(headers, endHeaders, 3, connectBlock())],
    code: Http2Code.streamClosed,
  },
  {
    name: 'CONTINUATION alone',
    frames: [frameOf(continuation, endHeaders, 1, connectBlock())],
    code: Http2Code.protocolError,
  },
  {
    name: 'another frame within a header block',
    frames: [frameOf(headers, none, 1, connectBlock()), frameOf(ping, none, 0, Buffer.alloc(8))],
    code: Http2Code.protocolError,
  },
  {
    name: 'CONTINUATION of another stream',
    frames: [frameOf(headers, none, 1, connectBlock()), frameOf(continuation, endHeaders, 3, raw())],
    code: Http2Code.protocolError,
  },
  {
    name: 'PRIORITY of 4 bytes',
    frames: [frameOf(priority, none, 1, raw(0, 0, 0, 0))],
    code: Http2Code.frameSizeError,
  },
  {
    name: 'RST_STREAM of 5 bytes',
    frames: [frameOf(rstStream, none, 1, raw(0, 0, 0, 0, 0))],
    code: Http2Code.frameSizeError,
  },
  {
    name: 'RST_STREAM on an idle stream',
    frames: [frameOf(rstStream, none, 1, uint32(8))],
    code: Http2Code.protocolError,
  },
  { name: 'RST_STREAM on stream 0', frames: [frameOf(rstStream, none, 0, uint32(8))], code: Http2Code.protocolError },
  { name: 'SETTINGS on a stream', frames: [frameOf(settings, none, 1, raw())], code: Http2Code.protocolError },
  {
    name: 'SETTINGS of 7 bytes',
    frames: [frameOf(settings, none, 0, Buffer.alloc(7))],
    code: Http2Code.frameSizeError,
  },
  {
    name: 'SETTINGS ACK with payload',
    frames: [frameOf(settings, ack, 0, Buffer.alloc(6))],
    code: Http2Code.frameSizeError,
  },
  { name: 'ENABLE_PUSH of 2', frames: [setting([2, 2])], code: Http2Code.protocolError },
  { name: 'INITIAL_WINDOW_SIZE of 2^31', frames: [setting([4, 2 ** 31])], code: Http2Code.flowControlError },
  { name: 'MAX_FRAME_SIZE below 16384', frames: [setting([5, 16_383])], code: Http2Code.protocolError },
  { name: 'MAX_FRAME_SIZE over 2^24-1', frames: [setting([5, 2 ** 24])], code: Http2Code.protocolError },
  {
    name: 'a SETTINGS frame of 3000 settings',
    frames: [setting(...Array.from({ length: 3000 }, (): Setting => [6, 1]))],
    code: Http2Code.enhanceYourCalm,
  },
  {
    name: 'INITIAL_WINDOW_SIZE that overflows an open window',
    frames: [connect, frameOf(windowUpdate, none, 1, uint32(0x7f_ff_00_00)), setting([4, 0x7f_ff_ff_ff])],
    code: Http2Code.flowControlError,
  },
  {
    name: 'PUSH_PROMISE',
    frames: [connect, frameOf(pushPromise, endHeaders, 1, uint32(2))],
    code: Http2Code.protocolError,
  },
  { name: 'PING of 7 bytes', frames: [frameOf(ping, none, 0, Buffer.alloc(7))], code: Http2Code.frameSizeError },
  { name: 'PING on a stream', frames: [frameOf(ping, none, 1, Buffer.alloc(8))], code: Http2Code.protocolError },
  { name: 'GOAWAY of 7 bytes', frames: [frameOf(goaway, none, 0, Buffer.alloc(7))], code: Http2Code.frameSizeError },
  { name: 'GOAWAY on a stream', frames: [frameOf(goaway, none, 1, Buffer.alloc(8))], code: Http2Code.protocolError },
  {
    name: 'WINDOW_UPDATE of 3 bytes',
    frames: [frameOf(windowUpdate, none, 0, raw(0, 0, 1))],
    code: Http2Code.frameSizeError,
  },
  {
    name: 'WINDOW_UPDATE of 0 on the connection',
    frames: [frameOf(windowUpdate, none, 0, uint32(0))],
    code: Http2Code.protocolError,
  },
  {
    name: 'WINDOW_UPDATE over 2^31-1',
    frames: [frameOf(windowUpdate, none, 0, uint32(0x7f_ff_ff_ff))],
    code: Http2Code.flowControlError,
  },
  {
    name: 'WINDOW_UPDATE on an idle stream',
    frames: [frameOf(windowUpdate, none, 7, uint32(1))],
    code: Http2Code.protocolError,
  },
  { name: 'a frame over MAX_FRAME_SIZE', frames: [raw(0x10, 0, 1, 0, 0, 0, 0, 0, 1)], code: Http2Code.frameSizeError },
  {
    name: 'DATA padded beyond its end',
    frames: [connect, frameOf(data, padded, 1, raw(3, 0, 0))],
    code: Http2Code.protocolError,
  },
  {
    name: 'empty DATA with the padded flag',
    frames: [connect, frameOf(data, padded, 1)],
    code: Http2Code.frameSizeError,
  },
  {
    name: 'HEADERS padded beyond its end',
    frames: [frameOf(headers, endHeaders | padded, 1, raw(9, 0))],
    code: Http2Code.protocolError,
  },
  {
    name: 'empty HEADERS with the padded flag',
    frames: [frameOf(headers, endHeaders | padded, 1)],
    code: Http2Code.frameSizeError,
  },
  {
    name: 'a header index beyond the tables',
    frames: [frameOf(headers, endHeaders, 1, raw(0xbe))],
    code: Http2Code.compressionError,
  },
  {
    name: 'a header string beyond its block',
    frames: [frameOf(headers, endHeaders, 1, raw(0, 9, 0x61))],
    code: Http2Code.compressionError,
  },
  {
    name: 'a header block of 70 kB',
    frames: [frameOf(headers, endHeaders, 1, Buffer.alloc(70_000))],
    code: Http2Code.enhanceYourCalm,
  },
  {
    name: 'a header block of 17 CONTINUATION frames',
    frames: [
      frameOf(headers, none, 1, connectBlock()),
      ...Array.from({ length: 18 }, () => frameOf(continuation, none, 1, blockOf([['a', 'b']]))),
    ],
    code: Http2Code.enhanceYourCalm,
  },
  {
    name: 'DATA after the stream was closed by both',
    frames: [connect, frameOf(rstStream, none, 1, uint32(8)), frameOf(data, none, 1, raw(1))],
    code: Http2Code.streamClosed,
  },
  {
    name: 'DATA beyond the connection window',
    frames: [
      connect,
      frameOf(headers, endHeaders, 3, connectBlock()),
      frameOf(headers, endHeaders, 5, connectBlock()),
      frameOf(headers, endHeaders, 7, connectBlock()),
      frameOf(headers, endHeaders, 9, connectBlock()),
      ...[1, 3, 5, 7, 9].flatMap((id) => [0, 1, 2, 3].map(() => frameOf(data, none, id, Buffer.alloc(1024 * 1024)))),
    ],
    code: Http2Code.flowControlError,
  },
];

async function meetServer(run: (peer: Http2Peer) => Promise<void>): Promise<HboneError | undefined> {
  const ended = Promise.withResolvers<HboneError | undefined>();
  await using server = await listenHbone(() => {}, { onClose: (_, error) => ended.resolve(error) });
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  await run(peer);
  await peer[Symbol.asyncDispose]();
  return ended.promise;
}

for (const { name, frames, code } of breaches) {
  test(`a server ends the connection with the right code on ${name}`, async () => {
    const error = await meetServer(async (peer) => {
      peer.greet();
      peer.send(...frames);
      assert.equal(await peer.goawayCode(), code);
    });
    assert.equal(error?.code, code === Http2Code.enhanceYourCalm ? 'flood' : 'protocol');
    assert.equal(error?.data['http2Code'], code);
  });
}

const greetings: readonly Breach[] = [
  {
    name: 'another preface',
    frames: [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    code: Http2Code.protocolError,
  },
  {
    name: 'a first frame other than SETTINGS',
    frames: [Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), connect],
    code: Http2Code.protocolError,
  },
  {
    name: 'a SETTINGS ACK as first frame',
    frames: [Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frameOf(settings, ack, 0)],
    code: Http2Code.protocolError,
  },
];

for (const { name, frames, code } of greetings) {
  test(`a server ends the connection on ${name}`, async () => {
    await meetServer(async (peer) => {
      peer.send(...frames);
      assert.equal(await peer.goawayCode(), code);
    });
  });
}

/** What breaks one stream and leaves the connection alone. */
const streamBreaches: readonly Breach[] = [
  {
    name: 'upper case in a header name',
    frames: [frameOf(headers, endHeaders, 1, Buffer.concat([connectBlock(), blockOf([['X-Y', 'z']])]))],
    code: Http2Code.protocolError,
  },
  {
    name: 'a pseudo field after a regular one',
    frames: [frameOf(headers, endHeaders, 1, Buffer.concat([blockOf([['a', 'b']]), connectBlock()]))],
    code: Http2Code.protocolError,
  },
  {
    name: 'a pseudo field twice',
    frames: [frameOf(headers, endHeaders, 1, Buffer.concat([connectBlock(), connectBlock()]))],
    code: Http2Code.protocolError,
  },
  {
    name: 'no method',
    frames: [frameOf(headers, endHeaders, 1, blockOf([[':authority', 'a:1']]))],
    code: Http2Code.protocolError,
  },
  {
    name: 'CONNECT with a path',
    frames: [frameOf(headers, endHeaders, 1, Buffer.concat([connectBlock(), blockOf([[':path', '/']])]))],
    code: Http2Code.protocolError,
  },
  {
    name: 'a connection-specific header',
    frames: [frameOf(headers, endHeaders, 1, Buffer.concat([connectBlock(), blockOf([['connection', 'close']])]))],
    code: Http2Code.protocolError,
  },
  {
    name: 'TE other than trailers',
    frames: [frameOf(headers, endHeaders, 1, Buffer.concat([connectBlock(), blockOf([['te', 'gzip']])]))],
    code: Http2Code.protocolError,
  },
  {
    name: 'a line break in a header value',
    frames: [frameOf(headers, endHeaders, 1, Buffer.concat([connectBlock(), blockOf([['a', 'b\r\nc']])]))],
    code: Http2Code.protocolError,
  },
  {
    name: 'WINDOW_UPDATE of 0 on a stream',
    frames: [connect, frameOf(windowUpdate, none, 1, uint32(0))],
    code: Http2Code.protocolError,
  },
  {
    name: 'WINDOW_UPDATE over 2^31-1 on a stream',
    frames: [connect, frameOf(windowUpdate, none, 1, uint32(0x7f_ff_ff_ff))],
    code: Http2Code.flowControlError,
  },
  {
    name: 'DATA after END_STREAM',
    frames: [connect, frameOf(data, endStream, 1, raw(1)), frameOf(data, none, 1, raw(1))],
    code: Http2Code.streamClosed,
  },
  {
    name: 'HEADERS after END_STREAM',
    frames: [connect, frameOf(data, endStream, 1), frameOf(headers, endHeaders | endStream, 1, blockOf([['a', 'b']]))],
    code: Http2Code.streamClosed,
  },
  {
    name: 'trailers that do not end the stream',
    frames: [connect, frameOf(headers, endHeaders, 1, blockOf([['a', 'b']]))],
    code: Http2Code.protocolError,
  },
  {
    name: 'DATA beyond the stream window',
    frames: [connect, ...Array.from({ length: 5 }, () => frameOf(data, none, 1, Buffer.alloc(1024 * 1024)))],
    code: Http2Code.flowControlError,
  },
];

for (const { name, frames, code } of streamBreaches) {
  test(`a server resets only the stream on ${name}`, async () => {
    await meetServer(async (peer) => {
      peer.greet();
      peer.send(...frames);
      assert.equal(await peer.resetCode(1), code);
      await peer.settle();
      assert.deepEqual(peer.of(goaway), []);
    });
  });
}

/** What a server must put up with. */
const tolerated: readonly { readonly name: string; readonly frames: readonly Uint8Array[] }[] = [
  { name: 'an unknown frame type', frames: [frameOf(0xbe, 0xff, 1, Buffer.alloc(5000))] },
  { name: 'an unknown setting', frames: [setting([0x99, 5])] },
  { name: 'PRIORITY on an idle stream', frames: [frameOf(priority, none, 9, Buffer.alloc(5))] },
  {
    name: 'PRIORITY inside HEADERS, with padding',
    frames: [
      frameOf(
        headers,
        endHeaders | padded | FrameFlag.priority,
        1,
        Buffer.concat([raw(3), Buffer.alloc(5), connectBlock(), Buffer.alloc(3)]),
      ),
    ],
  },
  { name: 'the reserved bit of a stream id', frames: [frameOf(headers, endHeaders, 0x80_00_00_01, connectBlock())] },
  {
    name: 'WINDOW_UPDATE and RST_STREAM on a closed stream',
    frames: [
      connect,
      frameOf(rstStream, none, 1, uint32(8)),
      frameOf(windowUpdate, none, 1, uint32(5)),
      frameOf(rstStream, none, 1, uint32(8)),
    ],
  },
  { name: 'a GOAWAY', frames: [encodeGoaway(0, 0), encodeGoaway(0, 0)] },
];

for (const { name, frames } of tolerated) {
  test(`a server puts up with ${name}`, async () => {
    await meetServer(async (peer) => {
      peer.greet();
      peer.send(...frames);
      await peer.settle();
      assert.deepEqual([peer.of(goaway), peer.of(rstStream)], [[], []]);
    });
  });
}
