import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { HttpWorld, type Party } from './http-world.ts';

checkLeaks();

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** Beyond what the process holds before: windows, socket buffers and garbage, and far below the body. */
const MORE_MAX_BYTES = 192 * MIB;

const piece = Buffer.alloc(256 * 1024, 0x61);

/** Writes `bytes` as fast as the carrier takes them. */
function pour(party: Party, bytes: number): void {
  let left = bytes;
  const fill = (): void => {
    while (left > 0) {
      const length = Math.min(left, piece.length);
      left -= length;
      if (!party.carrier.write(piece, 0, length)) return;
    }
  };
  party.onDrain = fill;
  fill();
}

for (const [kind, bytes] of [
  ['plain', GIB],
  ['tunnel', GIB / 2],
] as const) {
  test(`${bytes / MIB} MiB each way in little memory (${kind})`, { timeout: 300_000 }, async () => {
    await using world = await HttpWorld.open({ kind });
    const [client, other] = [await world.client(), await world.client()];
    client.onPiece = () => {};
    client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    const server = await world.server();
    await until('the request arrives', () => server.text.endsWith('\r\n\r\n'));
    const before = process.memoryUsage();
    let peak = 0;
    const sample = setInterval(() => {
      const { heapUsed, external, arrayBuffers } = process.memoryUsage();
      peak = Math.max(peak, heapUsed + external + arrayBuffers);
    }, 20);
    server.send(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
    pour(server, bytes);
    await until('the answer arrives', () => client.bytes >= bytes, 200_000);

    other.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${bytes}\r\n\r\n`);
    await until('the second request arrives', () => server.text.includes('POST'));
    server.onPiece = () => {};
    pour(other, bytes);
    await until('the request arrives', () => world.served[0]?.bytes !== undefined && server.bytes >= bytes, 200_000);
    server.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    await until('both are recorded', () => world.exchanges.length === 2);
    clearInterval(sample);
    assert.deepEqual(
      world.exchanges.map(({ requestBytes, responseBytes, reason }) => [requestBytes, responseBytes, reason]),
      [
        [0, bytes, null],
        [bytes, 0, null],
      ],
    );
    const more = peak - before.heapUsed - before.external - before.arrayBuffers;
    assert.ok(more < MORE_MAX_BYTES, `${Math.round(more / MIB)} MiB more than before`);
  });
}

test('a client that does not read its answers holds its server back, and gets no further answer', async () => {
  await using world = await HttpWorld.open({ kind: 'plain' });
  const client = await world.client();
  client.carrier.pause();
  client.send('GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n');
  const server = await world.server();
  await until('the request arrives', () => server.text.endsWith('\r\n\r\n'));
  server.take();
  const bytes = 64 * MIB;
  server.send(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
  pour(server, bytes);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(server.carrier.bytesSent < bytes, 'the server has to wait');
  assert.equal(server.text, '', 'the second request waits');
  client.onPiece = () => {};
  client.carrier.resume();
  await until('the answer arrives', () => client.bytes > bytes);
  await until('the second request is sent', () => server.text.startsWith('GET /2 '));
});
