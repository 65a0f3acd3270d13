import assert from 'node:assert/strict';
import { once } from 'node:events';
import { platform } from 'node:os';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { parseSocketAddress } from '@ambit/mesh/model';
import { KeptConnection } from './kept-connection.ts';

/** A server in a thread of its own, since whoever asks is held up: answers, then, of the second request, a byte every 50 ms. */
const SERVER = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:net').createServer({ noDelay: true }, (socket) => {
    let requests = 0;
    let received = 0;
    socket.on('error', () => {}).on('data', (chunk) => {
      received += chunk.length;
      if (received < 1024) return;
      received = 0;
      if (requests++ === 0) socket.write('HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\n' + 'y'.repeat(100));
      else setInterval(() => socket.write('H'), 50);
    });
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`;

test('an answer that comes in drops is lost after the time of one answer', {
  skip: platform() !== 'linux',
}, async () => {
  const worker = new Worker(SERVER, { eval: true });
  try {
    const [port] = await once(worker, 'message');
    using connection = KeptConnection.open(parseSocketAddress(`127.0.0.1:${port}`), 400);
    assert.equal(connection.ask(performance.now()), true);
    const startMs = performance.now();
    assert.throws(() => connection.ask(startMs), {
      code: 'peer-failed',
      message: 'an answer took too long',
      data: { limitMs: 400 },
    });
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs >= 400 && tookMs < 4000, `${tookMs} ms`);
  } finally {
    await worker.terminate();
  }
});
