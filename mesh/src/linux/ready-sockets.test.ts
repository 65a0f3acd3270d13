import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { platform } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { until } from '../testing/until.ts';
import { descriptorOf } from './node-internals.ts';
import { ReadySockets } from './ready-sockets.ts';
import { EAGAIN, libc } from './syscalls.ts';

const MSG_OOB = 1;
const ECONNRESET = 104;
const skip = platform() !== 'linux';

/** Connections of which this end is not read by Node, and what is told of them. */
class World implements AsyncDisposable {
  readonly told: string[] = [];
  readonly ready: ReadySockets = new ReadySockets({
    onReady: (slot, isMore) => void this.told.push(isMore ? `${slot} and more` : `${slot}`),
    onReadyEnd: (count) => void this.told.push(`of ${count}`),
  });
  readonly #server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true });
  readonly #sockets: Socket[] = [];

  async connect(): Promise<{ readonly fd: number; readonly socket: Socket; readonly peer: Socket }> {
    if (!this.#server.listening) await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const accepted = once(this.#server, 'connection');
    const { port } = this.#server.address() as AddressInfo;
    const peer = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const [socket] = (await accepted) as [Socket];
    this.#sockets.push(
      socket.on('error', () => {}),
      peer.on('error', () => {}),
    );
    return { fd: descriptorOf(socket), socket, peer };
  }

  async untilTold(...expected: readonly string[]): Promise<void> {
    await until(`told ${expected.join(', ')}`, () => this.told.length >= expected.length);
    assert.deepEqual(this.told.splice(0), expected);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ready[Symbol.dispose]();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

test('tells once of what arrives, also of what has before, and reads it', { skip }, async () => {
  await using world = new World();
  const [a, b] = [await world.connect(), await world.connect()];
  const memory = Buffer.allocUnsafeSlow(4);
  const early = Buffer.alloc(16);
  a.peer.write('early');
  assert.equal(world.ready.add(a.fd, 7), 0);
  assert.equal(world.ready.add(b.fd, 70_000), 0);
  world.ready.want(true);
  await world.untilTold('7', 'of 1');
  await sleep(50);
  assert.deepEqual(world.told, [], 'once, although nobody read it');
  assert.equal(world.ready.recv(a.fd, memory), 4);
  assert.equal(memory.toString(), 'earl');
  assert.equal(world.ready.recv(a.fd, early), 1);
  assert.equal(early.toString('latin1', 0, 1), 'y');
  assert.equal(world.ready.recv(a.fd, memory), -EAGAIN);
  b.peer.write('b');
  await world.untilTold('70000', 'of 1');
  a.peer.write('more');
  await world.untilTold('7', 'of 1');
});

test('tells of the end and of a reset, and of nothing once a socket was taken out or closed', { skip }, async () => {
  await using world = new World();
  const [a, b, c, d] = [await world.connect(), await world.connect(), await world.connect(), await world.connect()];
  const memory = Buffer.allocUnsafeSlow(4);
  for (const [slot, { fd }] of [a, b, c, d].entries()) assert.equal(world.ready.add(fd, slot), 0);
  world.ready.want(true);
  a.peer.end();
  await world.untilTold('0 and more', 'of 1');
  assert.equal(world.ready.recv(a.fd, memory), 0);
  b.peer.resetAndDestroy();
  await world.untilTold('1 and more', 'of 1');
  assert.equal(world.ready.recv(b.fd, memory), -ECONNRESET);
  world.ready.remove(c.fd);
  c.peer.write('c');
  d.socket.destroy();
  d.peer.write('d');
  await sleep(50);
  assert.deepEqual(world.told, []);
  assert.equal(world.ready.add(c.fd, 5), 0, 'and in again');
  await world.untilTold('5', 'of 1');
});

test('tells of a FIN that came with the bytes before it, since it is told of once', { skip }, async () => {
  await using world = new World();
  const { fd, peer } = await world.connect();
  const memory = Buffer.allocUnsafeSlow(64);
  peer.end('last');
  await sleep(20);
  assert.equal(world.ready.add(fd, 3), 0);
  world.ready.want(true);
  await world.untilTold('3 and more', 'of 1');
  assert.deepEqual([world.ready.recv(fd, memory), world.ready.recv(fd, memory)], [4, 0]);
});

test('tells where reads stop at an urgent byte', { skip }, async () => {
  await using world = new World();
  const { fd, peer } = await world.connect();
  const memory = Buffer.allocUnsafeSlow(64);
  assert.equal(world.ready.add(fd, 1), 0);
  world.ready.want(true);
  const out = Buffer.from('before!behind');
  assert.equal(libc().send(descriptorOf(peer), out, 6, 0), 6);
  assert.equal(libc().send(descriptorOf(peer), out.subarray(6), 1, MSG_OOB), 1);
  assert.equal(libc().send(descriptorOf(peer), out.subarray(7), 6, 0), 6);
  await until('an urgent byte', () => world.told.includes('1 and more'));
  await sleep(20);
  assert.equal(world.ready.recv(fd, memory), 6, 'before it');
  assert.equal(world.ready.recv(fd, memory), 6, 'behind it');
  assert.equal(memory.toString('latin1', 0, 6), 'behind');
});

test('more than it tells of at a time come by turns', { skip }, async () => {
  await using world = new World();
  const all = [];
  for (let i = 0; i < 300; i += 1) all.push(await world.connect());
  for (const [slot, { fd }] of all.entries()) assert.equal(world.ready.add(fd, slot), 0);
  for (const { peer } of all) peer.write('x');
  await sleep(100);
  world.ready.want(true);
  const slots = (): string[] => world.told.filter((each) => !each.startsWith('of'));
  await until('all are told of', () => slots().length >= 300);
  assert.equal(new Set(slots()).size, 300);
  assert.equal(world.told.filter((each) => each === 'of 256').length, 1);
});
