import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkLeaks } from '../testing/leak-check.ts';
import { Collector } from '../testing/tunnel-collector.ts';
import { until } from '../testing/until.ts';
import { dial, environment, listen, listenHbone, targetOf } from '../testing/tunnel-world.ts';
import type { Carrier } from './carrier.ts';
import { createPlainCarrier } from './plain-carrier.ts';
import { createHbonePool } from './pool.ts';
import { GATHERED_MAX_BYTES, writeGatherer } from './write-gatherer.ts';

checkLeaks();

/** Both ends of a connection, whatever carries it. */
interface Ends extends AsyncDisposable {
  readonly near: Carrier;
  readonly far: Carrier;
}

async function plainEnds(publicApiOnly: boolean): Promise<Ends> {
  const accepted = Promise.withResolvers<Carrier>();
  const listener = await listen((socket) => accepted.resolve(createPlainCarrier(socket, { publicApiOnly })));
  const socket = dial(listener.port);
  await new Promise((resolve) => socket.once('connect', resolve));
  const near = createPlainCarrier(socket, { publicApiOnly });
  return { near, far: await accepted.promise, [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() };
}

async function tunnelEnds(): Promise<Ends> {
  const accepted = Promise.withResolvers<Carrier>();
  const server = await listenHbone((request) => accepted.resolve(request.accept()));
  const pool = createHbonePool<string>(environment);
  const { stream } = await pool.openTunnel(targetOf(server.port), { authority: 'a:1', headers: [] });
  return {
    near: stream,
    far: await accepted.promise,
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

for (const [name, open] of [
  ['a tunnel', tunnelEnds],
  ['a plaintext socket', () => plainEnds(false)],
  ['a plaintext socket through the public API', () => plainEnds(true)],
] as const) {
  describe(`Carrier: ${name}`, () => {
    test('carries ranges of memory that may be reused at once, and half-close', async () => {
      await using ends = await open();
      const [near, far] = [new Collector(), new Collector()];
      ends.near.read(near);
      ends.far.read(far);
      const memory = Buffer.from('..hello..');
      assert.equal(ends.near.write(memory, 2, 7), true);
      memory.fill(0x58);
      await until('the bytes arrive', () => far.text === 'hello');
      ends.near.end();
      await until('the end arrives', () => far.ended);
      ends.far.write(Buffer.from('still here'));
      ends.far.end();
      await until('both are over', () => near.result !== undefined && far.result !== undefined);
      assert.deepEqual(near.result, { bytesSent: 5, bytesReceived: 10 });
      assert.deepEqual(far.result, { bytesSent: 10, bytesReceived: 5 });
      assert.deepEqual([near.text, near.ended, ends.near.closed], ['still here', true, true]);
    });

    test('keeps small and large writes of one turn in order, and its end behind them', async () => {
      await using ends = await open();
      const [near, far] = [new Collector(), new Collector()];
      ends.near.read(near);
      ends.far.read(far);
      const sizes = [1, 10, 100_000, 2, 20_000, 3, 16_384, 4];
      const pieces = sizes.map((size, index) => Buffer.alloc(size, 0x61 + index));
      for (const piece of pieces) ends.near.write(piece);
      ends.near.end();
      await until('the end arrives', () => far.ended);
      assert.equal(far.text, Buffer.concat(pieces).toString('latin1'));
      ends.far.end();
      await until('both are over', () => near.result !== undefined && far.result !== undefined);
    });

    test('keeps more small writes of one busy turn in order than are gathered at a time, and its end behind them', async () => {
      await using ends = await open();
      const [near, far] = [new Collector(), new Collector()];
      ends.near.read(near);
      ends.far.read(far);
      const others = { writeGathered: () => false };
      for (let i = 0; i < 200; i += 1) writeGatherer.add(others, Buffer.from('x'), 0, 1);
      await new Promise(setImmediate);
      const pieces = Array.from({ length: 17 }, (_, index) => Buffer.alloc(GATHERED_MAX_BYTES, 0x61 + index));
      for (const piece of pieces) ends.near.write(piece);
      ends.near.end();
      await until('the end arrives', () => far.ended);
      assert.equal(far.text, Buffer.concat(pieces).toString('latin1'));
      ends.far.end();
      await until('both are over', () => near.result !== undefined && far.result !== undefined);
    });

    for (const size of [100_000, 5000])
      test(`holds back a writer of ${size} bytes whose reader pauses, and loses nothing`, async () => {
        await using ends = await open();
        const [near, far] = [new Collector(), new Collector()];
        ends.near.read(near);
        ends.far.read(far);
        ends.far.pause();
        const memory = Buffer.alloc(size, 7);
        let written = 0;
        const fill = async (): Promise<void> => {
          for (let turn = 0; turn < 6000; turn += 1) {
            if (!ends.near.write(memory)) return;
            written += memory.length;
            await new Promise(setImmediate);
          }
        };
        await fill();
        written += memory.length;
        assert.ok(written < 30_000_000, `${written} bytes before the writer was told to wait`);
        ends.far.resume();
        await until('the writer may go on', () => near.drains > 0);
        ends.near.end();
        await until('the end arrives', () => far.ended);
        assert.equal(far.bytes, written);
        ends.far.end();
        await until('both are over', () => near.result !== undefined);
        assert.equal(near.result?.bytesSent, written);
      });

    test('ends both directions of both ends when it is reset', async () => {
      await using ends = await open();
      const [near, far] = [new Collector(), new Collector()];
      ends.near.read(near);
      ends.far.read(far);
      ends.near.write(Buffer.from('x'));
      await until('the byte arrives', () => far.bytes === 1);
      ends.far.reset();
      assert.notEqual(far.result, undefined);
      await until('the reset arrives', () => near.result !== undefined);
      assert.equal(ends.near.write(Buffer.from('nobody')), true);
      assert.equal(near.result?.bytesSent, 1);
    });
  });
}
