import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectBlock, frameOf, securePeer } from '../testing/http2-peer.ts';
import { dial, listenHbone, webSvid } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { FrameFlag, FrameType } from './frame-codec.ts';
import type { CarrierReader } from './carrier.ts';

const STREAM = 1;
const FRAME_BYTES = 16 * 1024;
const FRAMES = 192;
/** Libuv reads 64 KiB at a time. */
const TURN_MAX_BYTES = (128 + 2 * 64) * 1024;

/** Counts what comes in each turn of the event loop. */
class TurnMeter implements CarrierReader {
  bytes = 0;
  largestTurn = 0;
  #turnBytes = 0;

  onBytes(memory: Buffer, start: number, end: number): void {
    assert.ok(memory.subarray(start, end).every((byte) => byte === 0x61));
    if (this.#turnBytes === 0) setImmediate(() => this.#endTurn());
    this.#turnBytes += end - start;
    this.bytes += end - start;
    this.largestTurn = Math.max(this.largestTurn, this.#turnBytes);
  }
  onEnd(): void {}
  onClose(): void {}
  #endTurn(): void {
    this.#turnBytes = 0;
  }
}

test('what a peer has sent by the megabyte is read in several turns of the event loop, to its last byte', async () => {
  const meter = new TurnMeter();
  await using server = await listenHbone((request) => request.accept().read(meter));
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  peer.greet([]);
  peer.send(frameOf(FrameType.headers, FrameFlag.endHeaders, STREAM, connectBlock()));
  await peer.settle();
  const frame = frameOf(FrameType.data, FrameFlag.none, STREAM, Buffer.alloc(FRAME_BYTES, 'a'));
  peer.send(...Array.from({ length: FRAMES }, () => frame));
  await until('all has come', () => meter.bytes === FRAMES * FRAME_BYTES);
  assert.ok(meter.largestTurn <= TURN_MAX_BYTES, `${meter.largestTurn} bytes in a turn`);
});
