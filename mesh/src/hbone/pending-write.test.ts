import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { listen, dial } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { writeInternals } from './node-internals.ts';
import { SocketOutlet } from './socket-outlet.ts';

setFlagsFromString('--expose-gc');
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the flag adds
const collect = runInNewContext('gc') as () => void;

const CHUNK_BYTES = 64 * 1024;
const CHUNKS = 400;

test('what waits for a slow socket stays as it is though nobody else refers to it', async () => {
  assert.ok(writeInternals !== undefined);
  const received: Buffer[] = [];
  let resume = (): void => {};
  await using server = await listen((socket) => {
    socket.pause();
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    resume = () => void socket.resume();
    socket.pause();
  });
  const socket = dial(server.port);
  await new Promise((resolve) => socket.once('connect', resolve));
  await until('it is accepted', () => server.connectionCount === 1);
  let taken = 0;
  const outlet = new SocketOutlet(socket, writeInternals, (bytes) => {
    taken += bytes;
  });
  for (let i = 0; i < CHUNKS; i += 1) {
    const memory = Buffer.allocUnsafeSlow(CHUNK_BYTES).fill(i % 251);
    outlet.write(memory, 0, memory.length, undefined);
  }
  assert.ok(outlet.isBehind);
  let litter: Buffer[] = [];
  for (let i = 0; i < 20; i += 1) {
    collect();
    litter = Array.from({ length: 50 }, () => Buffer.allocUnsafeSlow(CHUNK_BYTES).fill(0xff));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const total = CHUNK_BYTES * CHUNKS;
  const sum = (): number => received.reduce((bytes, { length }) => bytes + length, 0);
  resume();
  await until('everything has arrived', () => {
    collect();
    litter = Array.from({ length: 20 }, () => Buffer.allocUnsafeSlow(CHUNK_BYTES).fill(0xff));
    return sum() === total;
  });
  assert.equal(litter.length, 20);
  const all = Buffer.concat(received);
  let wrong = 0;
  for (let i = 0; i < total; i += 1) if (all[i] !== Math.floor(i / CHUNK_BYTES) % 251) wrong += 1;
  assert.deepEqual({ wrong, taken }, { wrong: 0, taken: total });
  socket.destroy();
});
