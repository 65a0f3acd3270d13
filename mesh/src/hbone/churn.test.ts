import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openResources } from '../testing/leak-check.ts';
import { dial, environment, listen, listenHbone, targetOf } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { createHbonePool } from './pool.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const CONNECTIONS = 10_000;
const AT_ONCE = 50;
/** What is allocated once, on demand, and stays: compiled code, pools, the tables of timers. */
const GROWTH_MAX_BYTES = 6_000_000;

/** Live memory after the collector has run. */
function liveBytes(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test(`${CONNECTIONS} connections opened and closed leave no descriptor, listener or memory behind`, async () => {
  let ended = 0;
  await using apps = await listen((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await using server = await listenHbone((request) => {
    const socket = dial(apps.port);
    socket.once('connect', () => request.accept().splice(socket, () => (ended += 1)));
  });
  await using pool = createHbonePool<string>(environment);
  await using capture = await listen((socket) => {
    void pool
      .openTunnel(targetOf(server.port), { authority: '10.0.0.1:80', headers: [['baggage', 'a=b']] })
      .then(({ stream }) => stream.splice(socket, () => (ended += 1)));
  });
  const visit = async (count: number): Promise<void> => {
    let left = count;
    const worker = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const socket = dial(capture.port);
        socket.end('hello');
        socket.resume();
        await once(socket, 'close');
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    await until('both ends of every tunnel are over', () => ended === 2 * visited);
  };
  let visited = 2000;
  await visit(2000);
  const before = openResources();
  const beforeBytes = liveBytes();
  visited += CONNECTIONS;
  await visit(CONNECTIONS);
  await until('the same resources as before', () => {
    const now = openResources();
    return ['TCPSocketWrap', 'TLSWrap', 'socket descriptors'].every(
      (kind) => (now.get(kind) ?? 0) <= (before.get(kind) ?? 0),
    );
  });
  assert.equal(pool.streamCount, 0);
  const growth = liveBytes() - beforeBytes;
  assert.ok(growth < GROWTH_MAX_BYTES, `${growth} bytes more than before`);
});
