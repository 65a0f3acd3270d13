import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { randomOf } from '../testing/random.ts';
import { dial, environment, identityOf, issueWebSvid, listen, listenHbone, targetOf } from '../testing/tunnel-world.ts';
import { secureContextOf } from '../tls/secure-context.ts';
import { createHbonePool } from './pool.ts';
import type { CarrierResult } from './carrier.ts';

const GIB = 2 ** 30;
const STREAMS = 4;
const STREAM_BYTES = GIB / STREAMS;
const CHUNK_BYTES = 64 * 1024;
/** A prime, so that no frame, record or buffer size divides it and every misplaced byte shows. */
const PATTERN_BYTES = 1_048_573;
const ROTATIONS = 5;

const pattern = Buffer.alloc(PATTERN_BYTES + CHUNK_BYTES);
const random = randomOf(20261121);
for (let i = 0; i < PATTERN_BYTES; i += 1) pattern[i] = Math.floor(random() * 256);
pattern.copy(pattern, PATTERN_BYTES, 0, CHUNK_BYTES);

/** Writes `STREAM_BYTES` of the pattern from `offset` on, then ends. */
function pump(socket: Socket, offset: number): void {
  let sent = 0;
  const more = (): void => {
    while (sent < STREAM_BYTES) {
      const start = (offset + sent) % PATTERN_BYTES;
      sent += CHUNK_BYTES;
      if (!socket.write(pattern.subarray(start, start + CHUNK_BYTES))) return;
    }
    socket.off('drain', more);
    socket.end();
  };
  socket.on('drain', more);
  more();
}

/** Resolves with the number of bytes once the stream has ended; every byte is compared. */
async function verify(socket: Socket, offset: number): Promise<number> {
  let received = 0;
  socket.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      const start = (offset + received) % PATTERN_BYTES;
      const bytes = Math.min(chunk.length - at, PATTERN_BYTES - start);
      assert.equal(pattern.compare(chunk, at, at + bytes, start, start + bytes), 0, `bytes differ after ${received}`);
      received += bytes;
      at += bytes;
    }
  });
  socket.resume();
  await once(socket, 'end');
  return received;
}

test('1 GiB both ways at once arrives as it was sent while pings and SVID rotation go on', async () => {
  const limits = { pingIntervalMs: 100 };
  const results: Promise<number>[] = [];
  await using apps = await listen((socket) => {
    socket.once('data', (first: Buffer) => {
      const offset = first.readUInt8(0);
      if (first.length > 1) socket.unshift(first.subarray(1));
      results.push(verify(socket, offset));
      pump(socket, offset + 100);
    });
    socket.resume();
  });
  await using server = await listenHbone(
    (request) => {
      const socket = dial(apps.port);
      socket.once('connect', () => request.accept().splice(socket, () => {}));
    },
    { limits },
  );
  await using pool = createHbonePool<string>({ ...environment, limits });
  let svid = issueWebSvid();
  const target = { ...targetOf(server.port), secureContext: () => secureContextOf(svid), verifyPeer: identityOf };
  const ends: Promise<CarrierResult>[] = [];
  await using capture = await listen((socket) => {
    const end = Promise.withResolvers<CarrierResult>();
    ends.push(end.promise);
    pool
      .openTunnel(target, { authority: 'a:1', headers: [] })
      .then(({ stream }) => stream.splice(socket, end.resolve), end.reject);
  });

  for (let i = 0; i < STREAMS; i += 1) {
    const socket = dial(capture.port);
    await once(socket, 'connect');
    socket.write(Buffer.from([i]));
    pump(socket, i);
    results.push(verify(socket, i + 100));
  }
  // Streams go on under the certificate they began with; new ones get the new one.
  for (let i = 0; i < ROTATIONS; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    svid = issueWebSvid();
    assert.ok(pool.retire(() => true) >= 1);
    const { stream } = await pool.openTunnel(target, { authority: 'a:1', headers: [] });
    stream.reset();
  }
  assert.ok(pool.sessionCount >= 2);
  const byClients = await Promise.all(results.slice(0, STREAMS));
  assert.deepEqual(byClients, Array(STREAMS).fill(STREAM_BYTES));
  const tunnels = await Promise.all(ends);
  assert.deepEqual(tunnels, Array(STREAMS).fill({ bytesSent: STREAM_BYTES + 1, bytesReceived: STREAM_BYTES }));
  const all = await Promise.all(results);
  assert.deepEqual(all, Array(2 * STREAMS).fill(STREAM_BYTES));
});
