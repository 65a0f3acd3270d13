import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { rootTestOptions } from '@ambit/mesh/testing';
import { Calls } from './calls.ts';
import { PodWorld, until } from './pod-world.ts';

const options = { ...rootTestOptions(), timeout: 120_000 };
/** The longest that anything may take on a busy machine. */
const PATIENCE_MS = 30_000;
const DRAIN_MS = 8000;

// An upgrade as a DaemonSet with maxSurge makes it: the new agent listens on the same ports before the old one is told to stop.
describe('one agent takes over from another', { concurrency: true }, () => {
  for (const [from, how] of [
    ['client', 'by tunnel'],
    ['outsider', 'in plaintext'],
  ] as const) {
    test(`no new connection ${how} fails meanwhile, and an old one ends with its agent`, options, async () => {
      await using world = await PodWorld.create([
        { name: 'outsider', captured: false },
        { name: 'server' },
        { name: 'client' },
      ]);
      // As the CNI agent sets it: a connection that waits for the old agent when that closes goes to the new one.
      for (const name of ['server', 'client']) {
        world.pod(name).netns.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/tcp_migrate_req');
      }
      await world.pod('server').serve(8080, (socket) => {
        socket.on('end', () => socket.end()).pipe(socket, { end: false });
      });
      const held = world.pod(from).dial('10.77.0.2:8080');
      const ended = endOf(held);
      await say(held, 'before');

      await using calls = new Calls((text) => world.pod(from).exchange('10.77.0.2:8080', text));
      await calls.more(60);
      const olds = [world.nodeOf('server'), world.nodeOf('client')];
      await world.takeOver('server');
      await world.takeOver('client');
      await calls.more(60);
      const beganMs = performance.now();
      const draining = Promise.all(olds.map(({ plane }) => plane.drain(DRAIN_MS)));
      await say(held, 'during the drain');
      await calls.more(120);
      await draining;
      await calls.more(60);
      assert.deepEqual(calls.failures, []);
      await until(() => held.closed, PATIENCE_MS);
      const { how: broke, atMs } = await ended;
      assert.equal(broke, 'ECONNRESET');
      assert.ok(atMs - beganMs > DRAIN_MS - 100, `it ended ${(atMs - beganMs).toFixed(0)} ms after the drain began`);
      assert.ok(world.nodeOf('server').records('inbound').length >= 60);
    });
  }
});

async function say(socket: Socket, text: string): Promise<void> {
  socket.write(text);
  const [heard]: Buffer[] = await once(socket, 'data', { signal: AbortSignal.timeout(PATIENCE_MS) }).catch((error) =>
    assert.fail(`no answer to "${text}": ${String(error)}`),
  );
  assert.equal(String(heard), text);
}

/** How and when the connection ended: with the code of its error, or `in order`. */
function endOf(socket: Socket): Promise<{ readonly how: string; readonly atMs: number }> {
  return new Promise((resolve) => {
    let how = 'in order';
    socket.on('error', (error: NodeJS.ErrnoException) => (how = error.code ?? error.message));
    socket.once('close', () => resolve({ how, atMs: performance.now() }));
  });
}
