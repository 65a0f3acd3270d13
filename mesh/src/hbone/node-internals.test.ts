import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { test } from 'node:test';
import { silentLogger } from '../runtime/logger.ts';
import { haveSameShape } from '../testing/same-shape.ts';
import { dial, listen } from '../testing/tunnel-world.ts';
import type { Connection } from './connection.ts';
import { findReadInternals, type ReadInternals, warnWithoutInternals } from './node-internals.ts';
import { Stream } from './stream.ts';

for (const [way, findInternals] of [
  ['at the handle', () => findReadInternals()],
  ['through the function of Node where the handle cannot be had', () => findReadInternals(net.Socket, {})],
] as const) {
  test(`reads land in our buffer, stop and start, ${way}`, () => readOneSocket(findInternals()));
}

test('what arrives for a socket that is destroyed in its read is dropped', async () => {
  const accepted = Promise.withResolvers<Socket>();
  await using listener = await listen(accepted.resolve);
  const client = dial(listener.port).on('error', () => {});
  const socket = (await accepted.promise).on('error', () => {});
  const internals = findReadInternals();
  let reads = 0;
  internals?.installReadBuffer(
    socket,
    Buffer.alloc(1),
    function onRead() {
      reads += 1;
      this.destroy();
      return true;
    },
    null,
  );
  client.write('several reads of one byte');
  internals?.startReading(socket);
  await once(socket, 'close');
  assert.equal(reads, 1);
  client.destroy();
});

async function readOneSocket(internals: ReadInternals | undefined): Promise<void> {
  assert.ok(internals !== undefined, 'Node changed its internals: adapt node-internals.ts or accept the slow path');
  const accepted = Promise.withResolvers<Socket>();
  await using listener = await listen(accepted.resolve);
  const client = dial(listener.port);
  const socket = await accepted.promise;
  const memory = Buffer.alloc(64);
  const seen: string[] = [];
  const arrived: (() => void)[] = [];
  let goOn = true;
  internals.installReadBuffer(
    socket,
    memory.subarray(0, 32),
    function onRead(bytes) {
      assert.equal(this, socket);
      seen.push(
        memory
          .toString('latin1', 0, 64)
          .replaceAll('\0', '')
          .slice(0, bytes + 32),
      );
      arrived.shift()?.();
      return goOn;
    },
    () => memory.subarray(32),
  );
  const next = (): Promise<void> => new Promise((resolve) => arrived.push(resolve));
  internals.startReading(socket);
  let read = next();
  client.write('first');
  await read;
  goOn = false;
  read = next();
  client.write('second');
  await read;
  client.write('third');
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(seen.length, 2);
  goOn = true;
  read = next();
  internals.startReading(socket);
  await read;
  internals.stopReading(socket);
  internals.stopReading(socket);
  client.end('fourth');
  internals.startReading(socket);
  await once(socket, 'end');
  assert.equal(seen.length, 4);
  assert.deepEqual([memory.toString('latin1', 0, 5), memory.toString('latin1', 32, 38)], ['first', 'fourth']);
  socket.destroy();
  internals.startReading(socket);
  internals.stopReading(socket);
  internals.installReadBuffer(socket, memory, () => true, null);
}

test('a Node whose sockets keep the read buffer elsewhere has no internals', () => {
  class Elsewhere extends net.Socket {
    constructor() {
      super({});
    }
  }
  assert.equal(findReadInternals(Elsewhere), undefined);
});

test('a Node without internals is worth one warning', () => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  warnWithoutInternals(logger, true);
  assert.deepEqual(warnings, []);
  warnWithoutInternals(logger, false);
  warnWithoutInternals(logger, false);
  assert.equal(warnings.length, 1);
});

test('a connection of more than 2 GiB changes neither the shape of streams nor that of sockets', () => {
  const connection = { peerInitialWindowBytes: 65_535, limits: { streamWindowBytes: 65_536 } } as Connection;
  const streams = [1, 3].map((id) => new Stream(connection, id));
  const sockets = [new net.Socket(), new net.Socket()];
  for (const [large, small] of [streams, sockets]) {
    assert.ok(large !== undefined && small !== undefined);
    const counters = Reflect.ownKeys(large).filter((key) => /[bB]ytes(?:Sent|Received|Read|Written)/.test(String(key)));
    assert.equal(counters.length, 2, counters.map(String).join(' '));
    for (const counter of counters) {
      assert.equal(Reflect.get(large, counter), 0);
      Reflect.set(large, counter, 3 * 2 ** 30);
    }
    assert.ok(haveSameShape(large, small));
  }
  for (const socket of sockets) socket.destroy();
});
