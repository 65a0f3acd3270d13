import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectBlock, frameOf, type Http2Peer, securePeer, uint32 } from '../testing/http2-peer.ts';
import { dial, listenHbone, webSvid } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { DEFAULT_WINDOW_BYTES, FrameFlag, FrameType, readUint32, SettingId } from './frame-codec.ts';
import type { HboneLimits } from './limits.ts';
import type { TunnelStream } from './tunnel.ts';

// Flow control seen from the other end of the wire, byte by byte.

const CONNECTION = 0;
const STREAM = 1;
const OTHER_STREAM = 3;

/** Who hears of the tunnels of `meet`. */
interface Writer {
  onDraining(tunnel: TunnelStream): unknown;
  onDrain(): unknown;
}

/** A client that says what it likes to a server whose tunnels swallow what they receive. */
async function meet(
  limits: Partial<HboneLimits>,
  initialWindowBytes: number,
  run: (peer: Http2Peer, tunnels: readonly TunnelStream[]) => Promise<void>,
  writer?: Writer,
): Promise<void> {
  const tunnels: TunnelStream[] = [];
  await using server = await listenHbone(
    (request) => {
      const tunnel = request.accept();
      tunnels.push(tunnel);
      const onDraining = (): void => void writer?.onDraining(tunnel);
      const onDrain = (): void => void writer?.onDrain();
      tunnel.read({ onBytes() {}, onDraining, onDrain, onEnd() {}, onClose() {} });
    },
    { limits },
  );
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  peer.greet([[SettingId.initialWindowSize, initialWindowBytes]]);
  for (const id of [STREAM, OTHER_STREAM])
    peer.send(frameOf(FrameType.headers, FrameFlag.endHeaders, id, connectBlock()));
  await until('both tunnels', () => tunnels.length === 2);
  await peer.settle();
  await run(peer, tunnels);
}

/** Payload the peer has been sent on each stream, once nothing more comes. */
async function received(peer: Http2Peer): Promise<readonly [number, number]> {
  await peer.settle();
  return [peer.dataBytes(STREAM), peer.dataBytes(OTHER_STREAM)];
}

const grant = (peer: Http2Peer, streamId: number, bytes: number): void =>
  peer.send(frameOf(FrameType.windowUpdate, FrameFlag.none, streamId, uint32(bytes)));

test('a sender stops at the stream window to the byte, other streams go on, and credit lets exactly that much pass', async () => {
  await meet({}, 1000, async (peer, [first, second]) => {
    first?.write(Buffer.alloc(5000));
    second?.write(Buffer.alloc(700));
    assert.deepEqual(await received(peer), [1000, 700]);
    grant(peer, STREAM, 1);
    assert.deepEqual(await received(peer), [1001, 700]);
    second?.write(Buffer.alloc(301));
    assert.deepEqual(await received(peer), [1001, 1000]);
    grant(peer, STREAM, 5000);
    grant(peer, OTHER_STREAM, 5000);
    assert.deepEqual(await received(peer), [5000, 1001]);
  });
});

test('a sender stops at the connection window to the byte, whatever its streams may send', async () => {
  await meet({}, 1_000_000, async (peer, [first, second]) => {
    first?.write(Buffer.alloc(40_000));
    second?.write(Buffer.alloc(40_000));
    assert.deepEqual(await received(peer), [40_000, DEFAULT_WINDOW_BYTES - 40_000]);
    grant(peer, CONNECTION, 1);
    assert.deepEqual(await received(peer), [40_000, DEFAULT_WINDOW_BYTES - 40_000 + 1]);
    grant(peer, CONNECTION, 100_000);
    assert.deepEqual(await received(peer), [40_000, 40_000]);
  });
});

test('a window that the peer made negative is paid off before anything is sent', async () => {
  await meet({}, 1000, async (peer, [first]) => {
    first?.write(Buffer.alloc(3000));
    assert.deepEqual(await received(peer), [1000, 0]);
    peer.greet([[SettingId.initialWindowSize, 400]], false);
    grant(peer, STREAM, 600);
    assert.deepEqual(await received(peer), [1000, 0]);
    grant(peer, STREAM, 1);
    assert.deepEqual(await received(peer), [1001, 0]);
  });
});

test('a writer hears when little of what it wrote still waits for credit, and what it adds goes behind', async () => {
  const MIB = 1024 * 1024;
  const heard: string[] = [];
  const onDraining = (tunnel: TunnelStream): void => {
    heard.push('draining');
    assert.equal(tunnel.write(Buffer.alloc(100, 'b')), false);
  };
  const run = async (peer: Http2Peer, [first]: readonly TunnelStream[]): Promise<void> => {
    assert.equal(first?.write(Buffer.alloc(2 * MIB, 'a')), false);
    grant(peer, CONNECTION, 4 * MIB);
    grant(peer, STREAM, MIB / 2);
    assert.deepEqual(await received(peer), [MIB / 2, 0]);
    assert.deepEqual(heard, [], 'more than a mebibyte waits');
    grant(peer, STREAM, MIB / 2);
    assert.deepEqual(await received(peer), [MIB, 0]);
    assert.deepEqual(heard, ['draining']);
    grant(peer, STREAM, 2 * MIB);
    assert.deepEqual(await received(peer), [2 * MIB + 100, 0]);
    assert.deepEqual(heard, ['draining', 'drain']);
    const payload = Buffer.concat(peer.of(FrameType.data, STREAM).map((frame) => frame.payload));
    assert.deepEqual([payload.indexOf('b'), payload.lastIndexOf('a')], [2 * MIB, 2 * MIB - 1]);
  };
  await meet({}, 0, run, { onDraining, onDrain: () => heard.push('drain') });
});

test('a receiver returns all credit to stream and connection, padding included', async () => {
  const limits = { streamWindowBytes: 40_000, connectionWindowBytes: 80_000 };
  await meet(limits, DEFAULT_WINDOW_BYTES, async (peer) => {
    const granted = (streamId: number): number =>
      peer.of(FrameType.windowUpdate, streamId).reduce((sum, { payload }) => sum + readUint32(payload, 0), 0);
    const atStart = granted(CONNECTION);
    const padded = Buffer.alloc(257);
    padded[0] = 255;
    const frame = frameOf(FrameType.data, FrameFlag.padded, STREAM, padded);
    let sent = 0;
    for (let batch = 0; batch < 10; batch += 1) {
      peer.send(...Array.from({ length: 50 }, () => frame));
      sent += 50 * padded.length;
      await peer.settle();
      // Less than a step is kept back: half of a stream's window, a quarter of the connection's.
      assert.ok(sent - granted(STREAM) < 20_000, `stream: ${sent} sent, ${granted(STREAM)} returned`);
      assert.ok(sent - (granted(CONNECTION) - atStart) < 20_000, `connection: ${sent} sent`);
      assert.ok(granted(STREAM) <= sent && granted(CONNECTION) - atStart <= sent, 'never more than was sent');
    }
  });
});
