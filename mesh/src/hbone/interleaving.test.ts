import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { randomOf } from '../testing/random.ts';
import { dial, environment, listen, listenHbone, targetOf } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { createHbonePool } from './pool.ts';
import type { CarrierResult } from './carrier.ts';

const SEED = 20261121;
const INTERLEAVINGS = 10_000;
const AT_ONCE = 40;
const PATTERN_BYTES = 65_521;
const WRITE_MAX_BYTES = 60_000;

const pattern = Buffer.alloc(PATTERN_BYTES * 2);
{
  const random = randomOf(SEED);
  for (let i = 0; i < PATTERN_BYTES; i += 1) pattern[i] = Math.floor(random() * 256);
  pattern.copy(pattern, PATTERN_BYTES, 0, PATTERN_BYTES);
}

type Step = { readonly kind: 'write'; readonly bytes: number } | { readonly kind: 'end' | 'reset' | 'turn' | 'pause' };

/** One end of a conversation: plays its steps, checks every byte that arrives. */
class App {
  sent = 0;
  received = 0;
  ended = false;
  didReset = false;
  sawEnd = false;
  sawError = false;
  readonly closed: Promise<void>;
  readonly socket: Socket;
  private readonly sendOffset: number;
  private readonly receiveOffset: number;

  constructor(socket: Socket, sendOffset: number, receiveOffset: number) {
    this.socket = socket;
    this.sendOffset = sendOffset;
    this.receiveOffset = receiveOffset;
    socket.on('data', (chunk: Buffer) => this.check(chunk));
    socket.on('end', () => {
      this.sawEnd = true;
    });
    socket.on('error', () => {
      this.sawError = true;
    });
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.resume();
  }

  async play(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      if (this.socket.destroyed) return;
      switch (step.kind) {
        case 'write':
          this.write(step.bytes);
          break;
        case 'end':
          this.ended = true;
          this.socket.end();
          break;
        case 'reset':
          this.didReset = true;
          this.reset();
          return;
        case 'pause':
          this.socket.pause();
          setTimeout(() => this.socket.resume(), 2);
          break;
        case 'turn':
          await new Promise((resolve) => setImmediate(resolve));
          break;
      }
    }
    if (!this.ended && !this.socket.destroyed) {
      this.ended = true;
      this.socket.end();
    }
  }

  private reset(): void {
    const { socket } = this;
    // libuv refuses to reset a socket that is being shut down, and Node then leaks it.
    if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0) socket.destroy();
    else socket.resetAndDestroy();
  }

  private write(bytes: number): void {
    if (this.ended || !this.socket.writable) return;
    const start = (this.sendOffset + this.sent) % PATTERN_BYTES;
    this.socket.write(pattern.subarray(start, start + bytes));
    this.sent += bytes;
  }

  private check(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const start = (this.receiveOffset + this.received) % PATTERN_BYTES;
      const bytes = Math.min(PATTERN_BYTES, chunk.length - at);
      assert.equal(pattern.compare(chunk, at, at + bytes, start, start + bytes), 0, 'bytes arrive as they were sent');
      this.received += bytes;
      at += bytes;
    }
  }
}

function stepsOf(random: () => number): Step[] {
  const steps: Step[] = [];
  const count = 1 + Math.floor(random() * 6);
  for (let i = 0; i < count; i += 1) {
    const pick = random();
    if (pick < 0.5) steps.push({ kind: 'write', bytes: 1 + Math.floor(random() ** 3 * WRITE_MAX_BYTES) });
    else if (pick < 0.7) steps.push({ kind: 'turn' });
    else if (pick < 0.8) steps.push({ kind: 'pause' });
    else if (pick < 0.92) steps.push({ kind: 'end' });
    else steps.push({ kind: 'reset' });
  }
  return steps;
}

/** What one end may see, given what the other end did. */
function judge(receiver: App, sender: App, seed: number): void {
  const context = `seed ${seed}`;
  assert.ok(receiver.received <= sender.sent, `${context}: no more bytes than were sent`);
  if (receiver.sawEnd && !receiver.didReset) {
    assert.ok(sender.ended, `${context}: an end of stream only where the sender ended`);
    assert.equal(receiver.received, sender.sent, `${context}: a clean end comes after all bytes`);
  }
  if (!receiver.didReset && !sender.didReset) {
    assert.ok(receiver.sawEnd && !receiver.sawError, `${context}: without a reset both see a clean end`);
  }
}

/** Sockets that a listener accepted, by the port they came from. */
class Arrivals {
  private readonly waiting = new Map<number, (socket: Socket) => void>();
  private readonly early = new Map<number, Socket>();

  readonly arrive = (socket: Socket): void => {
    const port = socket.remotePort ?? 0;
    const waiter = this.waiting.get(port);
    if (waiter === undefined) this.early.set(port, socket);
    else waiter(socket);
    this.waiting.delete(port);
  };

  from(port: number): Promise<Socket> {
    const early = this.early.get(port);
    this.early.delete(port);
    if (early !== undefined) return Promise.resolve(early);
    return new Promise((resolve) => this.waiting.set(port, resolve));
  }
}

async function runInterleavings(count: number, publicApiOnly: boolean): Promise<void> {
  const env = { ...environment, publicApiOnly };
  const arrivals = new Arrivals();
  const captured = new Arrivals();
  const results: CarrierResult[] = [];
  const done = (result: CarrierResult): void => void results.push(result);
  await using apps = await listen(arrivals.arrive);
  const dialled = new Map<string, (port: number) => void>();
  await using server = await listenHbone(
    (request) => {
      const app = dial(apps.port);
      app.once('connect', () => {
        dialled.get(request.authority)?.(app.localPort ?? 0);
        request.accept().splice(app, done);
      });
    },
    { publicApiOnly },
  );
  await using capture = await listen(captured.arrive);
  await using pool = createHbonePool<string>(env);

  const converse = async (seed: number): Promise<void> => {
    const random = randomOf(seed);
    const local = dial(capture.port);
    await once(local, 'connect');
    const inbound = await captured.from(local.localPort ?? 0);
    const authority = `10.0.0.1:${seed}`;
    const dialledPort = new Promise<number>((resolve) => dialled.set(authority, resolve));
    const { stream } = await pool.openTunnel(targetOf(server.port), { authority, headers: [] });
    stream.splice(inbound, done);
    const remote = await arrivals.from(await dialledPort);
    dialled.delete(authority);
    const near = new App(local, seed % PATTERN_BYTES, (seed * 7) % PATTERN_BYTES);
    const far = new App(remote, (seed * 7) % PATTERN_BYTES, seed % PATTERN_BYTES);
    await Promise.all([near.play(stepsOf(random)), far.play(stepsOf(random))]);
    await Promise.all([near.closed, far.closed]);
    judge(near, far, seed);
    judge(far, near, seed);
  };

  let next = SEED;
  const last = SEED + count;
  const worker = async (): Promise<void> => {
    while (next < last) {
      next += 1;
      await converse(next);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  await until('every tunnel has reported its end', () => results.length === count * 2);
  assert.equal(pool.streamCount, 0);
}

for (const publicApiOnly of [false, true]) {
  const count = publicApiOnly ? INTERLEAVINGS / 20 : INTERLEAVINGS;
  const way = publicApiOnly ? 'over the public API' : 'with shared read buffers';
  test(`${count} random half-closes and resets ${way} keep every byte and every end`, async () => {
    await runInterleavings(count, publicApiOnly);
  });
}
