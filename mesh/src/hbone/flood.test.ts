import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { blockOf, connectBlock, frameOf, type Http2Peer, securePeer, uint32 } from '../testing/http2-peer.ts';
import { dial, listenHbone, webSvid } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import type { AcceptOptions } from './contract.ts';
import type { HboneError } from './errors.ts';
import { encodeSettings, FrameFlag, FrameType, Http2Code } from './frame-codec.ts';
import type { HboneLimits } from './limits.ts';
import type { TunnelRequest } from './tunnel.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const { data, headers, priority, rstStream, settings, ping } = FrameType;
const { none, endHeaders, endStream } = FrameFlag;

const limits: Partial<HboneLimits> = {
  resetsMax: 20,
  controlFramesMax: 50,
  emptyDataMax: 10,
  abuseWindowMs: 60_000,
  serverStreamsMax: 5,
};

interface Visit {
  readonly peer: Http2Peer;
  readonly requests: TunnelRequest<string>[];
  readonly ended: Promise<HboneError | undefined>;
}

async function visit(
  run: (visit: Visit) => Promise<void>,
  options: Partial<AcceptOptions<string>> = {},
): Promise<void> {
  const ended = Promise.withResolvers<HboneError | undefined>();
  const requests: TunnelRequest<string>[] = [];
  await using server = await listenHbone((request) => void requests.push(request), {
    limits,
    onClose: (_, error) => ended.resolve(error),
    ...options,
  });
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  peer.greet();
  await run({ peer, requests, ended: ended.promise });
}

const opened = (id: number): Buffer => frameOf(headers, endHeaders, id, connectBlock());
const reset = (id: number): Buffer => frameOf(rstStream, none, id, uint32(Http2Code.cancel));
const times = (count: number, make: (i: number) => Uint8Array[]): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => make(i)).flat();

const floods: readonly { readonly name: string; readonly frames: readonly Uint8Array[] }[] = [
  { name: 'streams opened and reset at once', frames: times(21, (i) => [opened(2 * i + 1), reset(2 * i + 1)]) },
  { name: 'streams beyond the limit', frames: times(26, (i) => [opened(2 * i + 1)]) },
  { name: 'SETTINGS', frames: times(51, () => [encodeSettings([])]) },
  { name: 'PING', frames: times(51, () => [frameOf(ping, none, 0, Buffer.alloc(8))]) },
  { name: 'PRIORITY', frames: times(51, () => [frameOf(priority, none, 1, Buffer.alloc(5))]) },
  { name: 'unknown frames', frames: times(51, () => [frameOf(0x77, none, 1)]) },
  { name: 'empty DATA', frames: [opened(1), ...times(11, () => [frameOf(data, none, 1)])] },
  { name: 'RST_STREAM on closed streams', frames: [opened(1), ...times(51, () => [reset(1)])] },
];

for (const { name, frames } of floods) {
  test(`a server ends a connection that floods it with ${name}`, async () => {
    await visit(async ({ peer, ended }) => {
      peer.send(...frames);
      assert.equal(await peer.goawayCode(), Http2Code.enhanceYourCalm);
      assert.equal((await ended)?.code, 'flood');
    });
  });
}

test('a server keeps a connection whose resets stay below the limit', async () => {
  await visit(async ({ peer, requests }) => {
    peer.send(...times(20, (i) => [opened(2 * i + 1), reset(2 * i + 1)]));
    await peer.settle();
    assert.equal(requests.length, 20);
    assert.ok(requests.every((request) => request.aborted));
    assert.equal(peer.ended, false);
  });
});

test('resets of answered streams are no flood', async () => {
  await visit(
    async ({ peer }) => {
      for (let id = 1; id < 400; id += 2) {
        peer.send(opened(id), reset(id));
      }
      await peer.settle();
      assert.equal(peer.ended, false);
    },
    { onTunnel: (request) => void request.accept() },
  );
});

test('a stream beyond the limit is refused and may be opened again', async () => {
  await visit(async ({ peer, requests }) => {
    peer.send(...times(6, (i) => [opened(2 * i + 1)]));
    assert.equal(await peer.resetCode(11), Http2Code.refusedStream);
    assert.equal(requests.length, 5);
    peer.send(reset(1), opened(13));
    await until('the stream that has room', () => requests.length === 6);
  });
});

test('DATA on its way to a refused stream is no breach and its credit comes back', async () => {
  await visit(
    async ({ peer, requests }) => {
      peer.send(...times(3, (i) => [opened(2 * i + 1)]));
      for (let i = 0; i < 4; i += 1) peer.send(frameOf(data, none, 5, Buffer.alloc(300_000)));
      const update = await peer.receive(FrameType.windowUpdate, 0);
      assert.ok(update.payload.readUInt32BE(0) > 0);
      await until('credit of the refused data', () => peer.of(FrameType.windowUpdate, 0).length >= 2);
      assert.equal(requests.length, 2);
      assert.equal(peer.ended, false);
    },
    { limits: { ...limits, serverStreamsMax: 2, connectionWindowBytes: 4_000_000 } },
  );
});

test('a header list over the limit is answered 431 and the connection goes on', async () => {
  await visit(
    async ({ peer, requests }) => {
      const many = blockOf(Array.from({ length: 20 }, (_, i) => [`x-${i}`, 'v']));
      peer.send(frameOf(headers, endHeaders, 1, Buffer.concat([connectBlock(), many])));
      const answer = await peer.receive(headers, 1);
      assert.ok(answer.payload.includes('431'));
      assert.equal(answer.flags & endStream, endStream);
      peer.send(opened(3));
      await until('the next request', () => requests.length === 1);
    },
    { limits: { ...limits, headerCountMax: 10 } },
  );
});

test('a peer that asks and never reads is cut off', async () => {
  await visit(
    async ({ peer, ended }) => {
      peer.socket.pause();
      let more = true;
      void ended.then(() => {
        more = false;
      });
      const questions = Buffer.concat(times(500, () => [frameOf(ping, none, 0, Buffer.alloc(8))]));
      while (more) {
        peer.socket.write(questions);
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal((await ended)?.code, 'flood');
    },
    { limits: { ...limits, controlFramesMax: Number.POSITIVE_INFINITY, unsentControlMaxBytes: 20_000 } },
  );
});

test('settings of a peer are acknowledged', async () => {
  await visit(async ({ peer }) => {
    await until('SETTINGS ACK', () => peer.of(settings).some(({ flags }) => flags === FrameFlag.ack));
    const own = peer.of(settings).find(({ flags }) => flags === none);
    assert.deepEqual(
      own?.payload,
      encodeSettings([
        [3, 5],
        [4, 4 * 1024 * 1024],
        [5, 1024 * 1024],
        [6, 64 * 1024],
      ]).subarray(9),
    );
  });
});

test('a server ends a connection that asks for tunnels and never reads the answers', async () => {
  let error: HboneError | undefined;
  await using server = await listenHbone((request) => request.reject(401, [['why', 'x'.repeat(4000)]]), {
    limits: { unsentControlMaxBytes: 64 * 1024 },
    onClose: (_, cause) => {
      error = cause;
    },
  });
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  peer.greet();
  await peer.settle();
  peer.socket.pause();
  let id = -1;
  // The kernel takes some megabytes of answers before they wait here.
  for (let round = 0; round < 200 && error === undefined; round += 1) {
    const requests = times(1000, () => [frameOf(headers, endHeaders | endStream, (id += 2), connectBlock())]);
    await new Promise<void>((resolve) => peer.socket.write(Buffer.concat(requests), () => resolve()));
  }
  await until('the connection ended', () => error);
  assert.equal(error?.code, 'flood');
});

const single = (id: number, count: number): Buffer =>
  Buffer.concat(times(count, () => [frameOf(data, none, id, Buffer.alloc(1))]));

/** Objects alive after the collector has run, as bytes of the heap. */
function heapBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

for (const [when, answer] of [
  ['before their request is answered', () => {}],
  ['after their request was refused', (request: TunnelRequest<string>) => request.reject(401)],
] as const) {
  test(`payload in single bytes costs no object for each, ${when}`, async () => {
    await using server = await listenHbone(answer);
    await using peer = await securePeer(dial(server.port), 'client', webSvid);
    peer.greet();
    peer.send(opened(1));
    await peer.settle();
    const frames = single(1, 200_000);
    const before = heapBytes();
    peer.send(frames);
    await peer.settle();
    const perByte = (heapBytes() - before) / 200_000;
    assert.ok(perByte < 20, `${perByte} bytes of heap for each byte of payload`);
    assert.equal(peer.ended, false);
  });
}
