import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { dial, listen } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { ChunkQueue } from './chunk-queue.ts';
import { sendDirectly } from './direct-send.ts';
import type { SocketWrites, WriteOwner } from './node-internals.ts';
import { findWriteInternals, publicWrites } from './node-internals.ts';
import { RecordSlab } from './read-memory.ts';
import { SocketOutlet } from './socket-outlet.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** A kernel that takes what a test lets it take. */
class SlowKernel implements SocketWrites {
  readonly taken: Buffer[] = [];
  isFull = false;
  error = 0;
  private owner: WriteOwner | undefined;
  private waiting: Buffer | undefined;

  writeNow(_socket: unknown, chunk: Buffer, owner: WriteOwner): number {
    if (this.error !== 0) return this.error;
    if (this.isFull) {
      assert.equal(this.waiting, undefined, 'one write at a time');
      this.owner = owner;
      this.waiting = chunk;
      return 1;
    }
    this.taken.push(Buffer.from(chunk));
    return 0;
  }

  /** The write that waits leaves. */
  finish(status = 0): void {
    const { owner, waiting } = this;
    this.waiting = undefined;
    if (waiting !== undefined && status === 0) this.taken.push(Buffer.from(waiting));
    owner?.onWriteDone(status);
  }
}

async function withOutlet(
  run: (
    outlet: SocketOutlet,
    kernel: SlowKernel,
    taken: () => number,
    socket: ReturnType<typeof dial>,
  ) => void | Promise<void>,
): Promise<void> {
  await using listener = await listen(() => {});
  const socket = dial(listener.port);
  await once(socket, 'connect');
  const kernel = new SlowKernel();
  let taken = 0;
  const outlet = new SocketOutlet(socket, kernel, {
    release: (bytes) => {
      taken += bytes;
    },
  });
  await run(outlet, kernel, () => taken, socket);
  socket.destroy();
}

const chunk = (text: string): [Buffer, number, number] => [Buffer.from(text), 0, text.length];

test('an outlet gives credit back for what has left and for nothing else, and keeps the order', async () => {
  await withOutlet((outlet, kernel, taken) => {
    assert.equal(outlet.write(...chunk('one'), undefined), true);
    assert.equal(taken(), 3);
    kernel.isFull = true;
    assert.equal(outlet.write(...chunk('two'), undefined), false, 'the memory is still being read');
    assert.equal(outlet.isBehind, true);
    const slab = new RecordSlab();
    slab.memory.write('big');
    for (let i = 0; i < 10_000; i += 1)
      assert.equal(outlet.write(...chunk('x'), undefined), true, 'small ones are copied');
    assert.equal(outlet.write(slab.memory, 0, 40_000, slab), false, 'large ones are not');
    outlet.write(...chunk('last'), undefined);
    assert.equal(taken(), 3);
    kernel.finish();
    assert.equal(taken(), 6);
    kernel.isFull = false;
    kernel.finish();
    assert.equal(taken(), 6 + 10_000 + 40_000 + 4);
    assert.equal(outlet.isBehind, false);
    const all = Buffer.concat(kernel.taken).toString('latin1');
    assert.equal(all.slice(0, 6), 'onetwo');
    assert.equal(all.slice(6, 10_006), 'x'.repeat(10_000));
    assert.equal(all.slice(10_006, 10_009), 'big');
    assert.equal(all.slice(-4), 'last');
    assert.ok(kernel.taken.length < 10, 'small chunks leave together');
  });
});

test('what the kernel takes of a descriptor at once goes there, and the rest where it went before', async (t) => {
  const asked: (readonly [number, string])[] = [];
  let answer = 0;
  sendDirectly((descriptor, memory, start, end) => {
    asked.push([descriptor, Buffer.from(memory.subarray(start, end)).toString('latin1')]);
    return answer;
  });
  t.after(() => sendDirectly(undefined));
  await withOutlet((outlet, kernel, taken, socket) => {
    const part: [Buffer, number, number] = [Buffer.from('<hello>'), 1, 6];
    outlet.write(...part, undefined);
    assert.deepEqual(asked, [], 'a socket without a descriptor');
    Object.defineProperty(socket, 'descriptor', { value: 77 });
    answer = 5;
    assert.equal(outlet.write(...part, undefined), true);
    assert.equal(taken(), 10);
    answer = 2;
    assert.equal(outlet.write(...part, undefined), true);
    assert.equal(taken(), 15);
    for (answer of [-4, -9, -11]) assert.equal(outlet.write(...part, undefined), true);
    assert.equal(taken(), 30);
    kernel.isFull = true;
    answer = 1;
    assert.equal(outlet.write(...part, undefined), false);
    assert.deepEqual([taken(), outlet.waitingBytes], [31, 4]);
    answer = 5;
    outlet.write(...chunk('again'), undefined);
    assert.equal(asked.length, 6, 'nothing overtakes what waits');
    kernel.isFull = false;
    kernel.finish();
    assert.deepEqual(asked, Array(6).fill([77, 'hello']));
    assert.deepEqual(kernel.taken.map(String), ['hello', 'llo', 'hello', 'hello', 'hello', 'ello', 'again']);
    assert.equal(taken(), 40);
  });
});

test('what a connection has failed with is told once, and so by whoever hears it first', async (t) => {
  sendDirectly(() => -104);
  t.after(() => sendDirectly(undefined));
  await withOutlet(async (outlet, kernel, taken, socket) => {
    Object.defineProperty(socket, 'descriptor', { value: 77 });
    const failed = once(socket, 'error');
    assert.equal(outlet.write(...chunk('now'), undefined), true);
    const [error] = await failed;
    assert.deepEqual([error.code, error.syscall], ['ECONNRESET', 'write']);
    assert.deepEqual([taken(), kernel.taken], [3, []]);
  });
});

test('an end and a close wait for what was written', async () => {
  for (const how of ['end', 'close'] as const) {
    await withOutlet(async (outlet, kernel, _taken, socket) => {
      kernel.isFull = true;
      outlet.write(...chunk('data'), undefined);
      outlet[how]();
      assert.equal(socket.writableEnded, false);
      kernel.isFull = false;
      kernel.finish();
      assert.equal(socket.writableEnded, true);
      if (how === 'close') await once(socket, 'close');
    });
  }
});

test('a failed write destroys the socket with its system error and gives all credit back', async () => {
  await withOutlet(async (outlet, kernel, taken, socket) => {
    kernel.isFull = true;
    outlet.write(...chunk('waits'), undefined);
    outlet.write(...chunk('queued'), undefined);
    const failed = once(socket, 'error');
    kernel.finish(-104);
    const [error] = await failed;
    assert.equal(error.code, 'ECONNRESET');
    outlet.drop();
    assert.equal(taken(), 11);
    assert.equal(outlet.write(...chunk('late'), undefined), true);
    assert.equal(taken(), 15);
  });
  await withOutlet(async (outlet, kernel, taken, socket) => {
    kernel.error = -32;
    const failed = once(socket, 'error');
    assert.equal(outlet.write(...chunk('now'), undefined), true);
    const [error] = await failed;
    assert.equal(error.code, 'EPIPE');
    assert.equal(taken(), 3);
  });
});

for (const [name, writes] of [
  ['past the stream', findWriteInternals()],
  ['through the stream', publicWrites],
] as const) {
  test(`writing ${name} tells what has been taken at once and what later`, async () => {
    assert.ok(writes !== undefined, 'Node changed its internals: adapt node-internals.ts or accept the slow path');
    let received = 0;
    let damaged = false;
    await using listener = await listen((peer) => {
      peer.on('data', (bytes: Buffer) => {
        received += bytes.length;
        damaged ||= bytes.some((byte) => byte !== 7);
      });
      setTimeout(() => peer.resume(), 30);
    });
    const socket = dial(listener.port);
    await once(socket, 'connect');
    const done: number[] = [];
    const owner = { onWriteDone: (status: number) => void done.push(status) };
    assert.equal(writes.writeNow(socket, Buffer.alloc(1000, 7), owner), 0);
    assert.equal(writes.writeNow(socket, Buffer.alloc(20_000_000, 7), owner), 1);
    // Nothing here refers to that memory any more: the write has to.
    collect();
    await until('the rest has left', () => done.length === 1);
    assert.deepEqual(done, [0]);
    await until('everything arrived', () => received === 20_001_000);
    assert.equal(damaged, false);
    socket.destroy();
    if (writes !== publicWrites) assert.ok(writes.writeNow(socket, Buffer.alloc(1), owner) < 0);
  });
}

test('a Node without the write request has no write internals', () => {
  assert.equal(findWriteInternals({}), undefined);
  assert.equal(findWriteInternals(null), undefined);
});

test('a queue of small chunks keeps few blocks and every byte', () => {
  const queue = new ChunkQueue();
  for (let i = 0; i < 100_000; i += 1) queue.append(Buffer.from([i & 0xff]));
  let blocks = 0;
  let at = 0;
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    blocks += 1;
    for (const byte of next.chunk) assert.equal(byte, at++ & 0xff);
  }
  assert.equal(at, 100_000);
  assert.ok(blocks < 10);
});
