import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectBlock, frameOf, statusBlock, uint32 } from '../testing/http2-peer.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createDuplexPair } from '../testing/memory-duplex.ts';
import { randomOf } from '../testing/random.ts';
import { environment } from '../testing/tunnel-world.ts';
import { HboneError } from './errors.ts';
import { CLIENT_PREFACE, encodeGoaway, encodePing, encodeSettings, FrameFlag, FrameType } from './frame-codec.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { ServerConnection } from './server.ts';
import { ClientSession } from './session.ts';
import type { TunnelRequest, TunnelStream } from './tunnel.ts';

const SEED = 20261121;
const STREAMS = 6000;
const limits = { ...DEFAULT_LIMITS, serverStreamsMax: 8, clientStreamsMax: 8 };
/** What a few kilobytes of input may make a connection say. */
const OUTPUT_MAX_BYTES = 200_000;

type Random = () => number;

const pick = <T>(random: Random, list: readonly [T, ...T[]]): T => list[Math.floor(random() * list.length)] ?? list[0];
const upTo = (random: Random, max: number): number => Math.floor(random() * (max + 1));

/** A frame that is legal by itself; whether it is in its place is another matter. */
function anyFrame(random: Random, block: Buffer): Buffer {
  const id = 1 + 2 * upTo(random, 9);
  const flags = pick(random, [
    0,
    FrameFlag.endStream,
    FrameFlag.endHeaders,
    FrameFlag.endHeaders | FrameFlag.endStream,
  ]);
  switch (upTo(random, 11)) {
    case 0:
    case 1:
      return frameOf(FrameType.headers, flags | FrameFlag.endHeaders, id, block);
    case 2:
      return frameOf(FrameType.headers, flags, id, block);
    case 3:
      return frameOf(FrameType.continuation, flags, id, block);
    case 4:
    case 5:
      return frameOf(FrameType.data, flags & FrameFlag.endStream, id, Buffer.alloc(upTo(random, 400), 7));
    case 6:
      return frameOf(FrameType.data, FrameFlag.padded, id, Buffer.alloc(1 + upTo(random, 40), upTo(random, 30)));
    case 7:
      return frameOf(FrameType.windowUpdate, 0, pick(random, [0, id]), uint32(upTo(random, 100_000)));
    case 8:
      return frameOf(FrameType.rstStream, 0, id, uint32(upTo(random, 13)));
    case 9:
      return encodeSettings([
        [1 + upTo(random, 6), upTo(random, 100_000)],
        [4, upTo(random, 70_000)],
      ]);
    case 10:
      return encodePing(upTo(random, 1000), random() < 0.5);
    default:
      return random() < 0.1
        ? encodeGoaway(upTo(random, 20), 0)
        : frameOf(upTo(random, 40), upTo(random, 255), id, Buffer.alloc(8));
  }
}

/** Breaks bytes here and there: flips, cuts, repeats, inserts, truncates. */
function mutate(random: Random, source: Buffer): Buffer {
  let bytes = Buffer.from(source);
  for (let count = upTo(random, 4); count > 0 && bytes.length > 0; count -= 1) {
    const at = upTo(random, bytes.length - 1);
    const end = Math.min(bytes.length, at + 1 + upTo(random, 20));
    switch (upTo(random, 4)) {
      case 0:
        bytes[at] = upTo(random, 255);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
        break;
      case 3:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from([upTo(random, 255), upTo(random, 255)]),
          bytes.subarray(at),
        ]);
        break;
      default:
        if (random() < 0.2) bytes = bytes.subarray(0, at);
        else bytes[at] = (bytes[at] ?? 0) ^ (1 << upTo(random, 7));
    }
  }
  return bytes;
}

function inputOf(random: Random, greeting: readonly Buffer[], block: Buffer): Buffer {
  const frames = Array.from({ length: 2 + upTo(random, 25) }, () => anyFrame(random, block));
  const greeted = random() < 0.9;
  const body = Buffer.concat(frames);
  // Mostly the greeting stays whole, else few inputs would get beyond it.
  return greeted
    ? Buffer.concat([...greeting, mutate(random, body)])
    : mutate(random, Buffer.concat([...greeting, body]));
}

/** Echoes, with a pause now and then. */
function echo(stream: TunnelStream): void {
  stream.read({
    onBytes: (memory, start, end) => void stream.write(memory, start, end),
    onEnd: () => stream.end(),
    onClose: () => {},
  });
}

/** One end under test over memory; feeds it `input` in pieces and checks what it has become. */
async function feed(random: Random, input: Buffer, start: (options: FuzzStart) => FuzzEnd): Promise<void> {
  const [ours, theirs] = createDuplexPair();
  let outputBytes = 0;
  theirs.on('error', () => {});
  theirs.on('data', (chunk: Buffer) => {
    outputBytes += chunk.length;
  });
  const closed = Promise.withResolvers<void>();
  const clock = new ManualClock();
  const end = start({ ours, clock, onClose: () => closed.resolve() });
  let at = 0;
  while (at < input.length && !theirs.destroyed && theirs.writable) {
    const next = Math.min(input.length, at + 1 + upTo(random, 300));
    theirs.write(input.subarray(at, next));
    at = next;
    if (random() < 0.2) await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(end.streamCount <= 8, 'streams stay within the limit');
  if (theirs.writable) theirs.end();
  theirs.destroy();
  await closed.promise;
  assert.equal(end.streamCount, 0);
  assert.equal(end.state, 'closed');
  assert.equal(clock.pending <= 1, true, 'no timer but the grace of a close is left');
  assert.ok(outputBytes < OUTPUT_MAX_BYTES, `${outputBytes} bytes of output`);
}

interface FuzzStart {
  readonly ours: ReturnType<typeof createDuplexPair>[0];
  readonly clock: ManualClock;
  readonly onClose: () => void;
}

interface FuzzEnd {
  readonly streamCount: number;
  readonly state: string;
}

test(`${STREAMS} mutated inputs leave a server with a legal end`, async () => {
  for (let i = 0; i < STREAMS; i += 1) {
    const random = randomOf(SEED + i);
    const onTunnel = (request: TunnelRequest<string>): void => {
      const what = random();
      if (what < 0.6) echo(request.accept());
      else if (what < 0.7) request.reject(503);
      else if (what < 0.8) request.onAborted(() => {});
      else if (what < 0.9) request.accept().reset();
      else setImmediate(() => echo(request.accept()));
    };
    const input = inputOf(random, [CLIENT_PREFACE, encodeSettings([])], connectBlock());
    await feed(random, input, ({ ours, clock, onClose }) => {
      const options = {
        ...environment,
        clock,
        onTunnel,
        onClose,
        verifyPeer: () => 'x',
      } as unknown as ConstructorParameters<typeof ServerConnection<string>>[2];
      const server = new ServerConnection<string>(ours, 'peer', options, limits);
      server.start();
      return server;
    });
  }
});

test(`${STREAMS / 2} mutated answers leave a client with a legal end`, async () => {
  for (let i = 0; i < STREAMS / 2; i += 1) {
    const random = randomOf(SEED - i);
    const input = inputOf(random, [encodeSettings([])], statusBlock(200));
    await feed(random, input, ({ ours, clock, onClose }) => {
      const client = new ClientSession<string>(ours, 'peer', { ...environment, clock, onClose }, limits, () => {});
      client.start();
      for (let open = 0; open < 6; open += 1) {
        client.openTunnel({ authority: 'a:1', headers: [] }).then(
          ({ stream }) => {
            echo(stream);
            stream.write(Buffer.alloc(upTo(random, 2000)));
          },
          (error: unknown) => assert.ok(error instanceof HboneError),
        );
      }
      return client;
    });
  }
});
