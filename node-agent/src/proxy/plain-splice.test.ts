import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { checkLeaks, haveSameShape } from '@ambit/mesh/testing';
import { PlainSplice, type SpliceResult } from './plain-splice.ts';

checkLeaks();

/** Two connections, `source` and `destination`, whose far ends the test holds, joined by a splice. */
class SpliceWorld implements AsyncDisposable {
  readonly source: Socket;
  readonly destination: Socket;
  /** The ends that are joined. */
  readonly near: { readonly source: Socket; readonly destination: Socket };
  readonly splice: PlainSplice;
  readonly done: Promise<SpliceResult>;
  doneCount = 0;

  private constructor(source: readonly [Socket, Socket], destination: readonly [Socket, Socket]) {
    [this.source] = source;
    [this.destination] = destination;
    this.near = { source: source[1], destination: destination[1] };
    const { promise, resolve } = Promise.withResolvers<SpliceResult>();
    this.done = promise;
    this.splice = new PlainSplice(source[1], destination[1], (result) => {
      this.doneCount++;
      resolve(result);
    });
  }

  static async create(): Promise<SpliceWorld> {
    return new SpliceWorld(await connectedPair(), await connectedPair());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.source.destroy();
    this.destination.destroy();
    await this.done;
  }
}

async function connectedPair(): Promise<readonly [Socket, Socket]> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const far = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
  const [near] = (await once(server, 'connection')) as [Socket];
  server.close();
  return [far, near.on('error', () => {})];
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer); // A socket without encoding gives buffers.
  return Buffer.concat(chunks);
}

describe('PlainSplice', () => {
  test('carries and counts both directions, each to its own end', async () => {
    await using world = await SpliceWorld.create();
    world.destination.end('from the destination');
    assert.equal(String(await readAll(world.source)), 'from the destination');
    world.source.end('from the source');
    assert.equal(String(await readAll(world.destination)), 'from the source');
    assert.deepEqual(await world.done, { error: null });
    assert.deepEqual([world.splice.bytesSent, world.splice.bytesReceived, world.doneCount], [15, 20, 1]);
  });

  test('keeps its shape beyond 2 GiB', async () => {
    await using small = await SpliceWorld.create();
    await using large = await SpliceWorld.create();
    large.splice.bytesSent = 3 * 2 ** 30;
    large.splice.bytesReceived = 3 * 2 ** 30;
    assert.ok(haveSameShape(large.splice, small.splice));
  });

  test('carries 16 MiB byte for byte', async () => {
    await using world = await SpliceWorld.create();
    const payload = Buffer.alloc(16 * 1024 * 1024, 'abcdefg');
    world.source.end(payload);
    world.destination.end();
    assert.equal((await readAll(world.destination)).equals(payload), true);
    world.source.resume();
    await world.done;
  });

  test('passes a reset on', async () => {
    await using world = await SpliceWorld.create();
    const reset = once(world.destination.resume(), 'error');
    world.source.resetAndDestroy();
    assert.equal(((await reset)[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
    assert.notEqual((await world.done).error, null);
  });

  test('resets both sides when it is cut, and is done once', async () => {
    await using world = await SpliceWorld.create();
    const resets = [once(world.source.resume(), 'error'), once(world.destination.resume(), 'error')];
    world.splice.cut('no longer allowed');
    await Promise.all(resets);
    const { error } = await world.done;
    world.splice.cut('again');
    assert.deepEqual([error?.message, world.doneCount], ['no longer allowed', 1]);
  });

  test('closes both sides also when it is cut while one is told of the end', async () => {
    await using world = await SpliceWorld.create();
    const { near } = world;
    world.source.end();
    await once(near.source, 'end');
    // The FIN leaves in the next turn of the event loop; until then libuv refuses to reset.
    assert.deepEqual([near.destination.writableEnded, near.destination.writableFinished], [true, false]);
    world.splice.cut('no longer allowed');
    await world.done;
    assert.deepEqual([near.source.closed, near.destination.closed, world.doneCount], [true, true, 1]);
  });

  test('stops reading a source whose destination does not read', async () => {
    await using world = await SpliceWorld.create();
    world.destination.pause();
    const chunk = Buffer.alloc(1024 * 1024);
    let stalled = false;
    let written = 0;
    while (!stalled && written < 64) {
      written++;
      if (world.source.write(chunk)) continue;
      stalled = await Promise.race([
        once(world.source, 'drain').then(() => false),
        new Promise<boolean>((resolve) => setTimeout(resolve, 300, true)),
      ]);
    }
    assert.equal(stalled, true);
    assert.ok(written < 32, `${written} MiB were taken`);
  });
});
