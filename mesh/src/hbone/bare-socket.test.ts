import assert from 'node:assert/strict';
import net, { type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import test from 'node:test';
import { acceptBare, type BareSocket, findBareSockets, hasBareSockets } from './bare-socket.ts';
import { ENDS_PER_TURN } from './fair-ends.ts';
import { readInternals, writeInternals } from './node-internals.ts';
import { sourceRead } from './read-memory.ts';
import { isOwned, ownSocket, prepareReads, type SocketOwner } from './spliced-socket.ts';

test('this Node has what bare sockets take', () => assert.equal(hasBareSockets(), true));

for (const { missing, binding } of [
  { missing: 'everything', binding: undefined },
  { missing: 'the request that shuts down', binding: { streamBaseState: new Int32Array(1), kReadBytesOrError: 0 } },
  { missing: 'the state of reads', binding: { ShutdownWrap: class {}, kReadBytesOrError: 0 } },
  { missing: 'its index', binding: { ShutdownWrap: class {}, streamBaseState: new Int32Array(1) } },
]) {
  test(`findBareSockets() sees that ${missing} is missing`, () => assert.equal(findBareSockets(binding), undefined));
}

/** Writes down what an owner hears. */
class Heard implements SocketOwner {
  readonly events: string[] = [];
  #wake: (() => void)[] = [];

  takeRead(bytes: number): boolean {
    return this.#say(`read ${sourceRead.toString('latin1', 0, bytes)}`);
  }

  takeChunk(chunk: Buffer): void {
    this.#say(`chunk ${chunk.toString('latin1')}`);
  }

  onSocketEnd(): void {
    this.#say('end');
  }

  onSocketError(cause: Error): void {
    this.#say(`error ${'code' in cause ? String(cause.code) : cause.message}`);
  }

  onSocketGone(): void {
    this.#say('gone');
  }

  /** Resolves once `event` was heard. */
  async until(event: string): Promise<void> {
    while (!this.events.includes(event)) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  #say(event: string): true {
    this.events.push(event);
    for (const wake of this.#wake.splice(0)) wake();
    return true;
  }
}

interface Accepted extends AsyncDisposable {
  readonly bare: BareSocket;
  readonly heard: Heard;
  readonly peer: Socket;
  /** Counts what `onClosed` was called. */
  readonly closed: () => number;
}

/** A connection accepted bare, and its other end. */
async function accept({ owned = true } = {}): Promise<Accepted> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.on('connection', () => assert.fail('the server emitted a connection'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<BareSocket>((resolve) => assert.equal(acceptBare(server, server, resolve), true));
  const peer = net.connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  peer.on('error', () => {});
  const bare = await accepted;
  let count = 0;
  bare.onClosed = () => void count++;
  const heard = new Heard();
  if (owned) {
    assert.equal(ownSocket(bare, heard), undefined);
    prepareReads(bare, heard, readInternals);
    readInternals?.startReading(bare);
  }
  return {
    bare,
    heard,
    peer,
    closed: () => count,
    [Symbol.asyncDispose]: async () => {
      bare.destroy();
      peer.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function write(bare: BareSocket, text: string): void {
  assert.equal(writeInternals?.writeNow(bare, Buffer.from(text), { onWriteDone: () => {} }), 0);
}

test('bytes both ways, both FINs, and it is gone by itself', async () => {
  await using it = await accept();
  it.peer.end('question');
  await it.heard.until('end');
  assert.equal(it.bare.readableEnded, true);
  write(it.bare, 'answer');
  it.bare.end();
  it.bare.end();
  assert.equal(it.bare.writableEnded, true);
  const [answer] = await once(it.peer, 'data');
  assert.equal(String(answer), 'answer');
  await it.heard.until('gone');
  assert.deepEqual(it.heard.events, ['read question', 'end', 'gone']);
  assert.deepEqual([it.bare.destroyed, it.bare.writableFinished, it.closed(), it.bare.fd], [true, true, 1, -1]);
});

test('its descriptor is known while it is open, and given up with the handle', async () => {
  await using it = await accept();
  assert.ok(it.bare.fd > 0);
  assert.equal(it.bare.descriptor, it.bare.fd);
  assert.equal(it.bare.descriptor, it.bare.fd);
  it.bare.destroy();
  assert.equal(it.bare.descriptor, undefined);
  await using ending = await accept();
  assert.equal(ending.bare.descriptor, ending.bare.fd);
  ending.bare.end();
  assert.equal(ending.bare.descriptor, undefined, 'nothing gets before a FIN that the handle sends later');
  await using other = await accept({ owned: false });
  assert.equal(other.bare.descriptor, other.bare.fd);
  const socket = other.bare.toSocket();
  assert.equal(other.bare.descriptor, undefined);
  socket.destroy();
});

test('our FIN first: the peer may go on, and its FIN closes', async () => {
  await using it = await accept();
  it.bare.end();
  await once(it.peer.resume(), 'end');
  assert.deepEqual([it.bare.writableFinished, it.bare.destroyed], [true, false]);
  it.peer.end('late');
  await it.heard.until('gone');
  assert.deepEqual(it.heard.events, ['read late', 'end', 'gone']);
});

test('a reset by the peer is an error', async () => {
  await using it = await accept();
  it.peer.resetAndDestroy();
  await it.heard.until('gone');
  assert.deepEqual(it.heard.events, ['error ECONNRESET', 'gone']);
});

test('of many that are reset at once few are told in a turn, and all in the end', async () => {
  await using scope = new AsyncDisposableStack();
  const all: Accepted[] = [];
  for (let i = 0; i < 3 * ENDS_PER_TURN; i++) all.push(scope.use(await accept()));
  const told: number[] = [];
  let isOver = false;
  const count = (): void => {
    told.push(all.filter(({ heard }) => heard.events.length > 0).length);
    if (!isOver) setImmediate(count);
  };
  for (const { peer } of all) peer.resetAndDestroy();
  // Everything has arrived before the event loop looks again.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  setImmediate(count);
  await Promise.all(all.map(({ heard }) => heard.until('gone')));
  isOver = true;
  for (const { heard } of all) assert.deepEqual(heard.events, ['error ECONNRESET', 'gone']);
  for (let i = 1; i < told.length; i++) assert.ok((told[i] ?? 0) - (told[i - 1] ?? 0) <= 2 * ENDS_PER_TURN);
});

test('resetAndDestroy() resets, once', async () => {
  await using it = await accept();
  const failed = once(it.peer, 'error').catch(() => {});
  const error = new Promise<unknown>((resolve) => it.peer.once('error', resolve));
  it.bare.resetAndDestroy();
  it.bare.resetAndDestroy();
  it.bare.destroy(new Error('late'));
  assert.equal(Reflect.get(Object((await error) ?? {}), 'code'), 'ECONNRESET');
  await failed;
  await it.heard.until('gone');
  assert.deepEqual([it.heard.events, it.closed()], [['gone'], 1]);
});

test('resetAndDestroy() while it shuts down closes all the same', async () => {
  await using it = await accept();
  it.bare.end();
  it.bare.resetAndDestroy();
  await it.heard.until('gone');
  assert.deepEqual([it.heard.events, it.closed()], [['gone'], 1]);
});

test('destroy() with an error tells the owner before it is gone', async () => {
  await using it = await accept();
  it.bare.destroy(new Error('why'));
  await it.heard.until('gone');
  assert.deepEqual(it.heard.events, ['error why', 'gone']);
});

test('destroySoon() sends FIN and closes without waiting for the peer', async () => {
  await using it = await accept();
  it.bare.destroySoon();
  await once(it.peer.resume(), 'end');
  await it.heard.until('gone');
  assert.deepEqual(it.heard.events, ['gone']);
});

test('one that is closed says nothing more, takes no writes and has no descriptor', async () => {
  await using it = await accept();
  it.bare.destroy();
  it.bare.end();
  it.bare.destroySoon();
  assert.equal(it.bare.writableEnded, false);
  assert.ok(Number(writeInternals?.writeNow(it.bare, Buffer.from('x'), { onWriteDone: () => {} })) < 0);
  await it.heard.until('gone');
});

test('a later owner takes over', async () => {
  await using it = await accept();
  const later = new Heard();
  assert.equal(ownSocket(it.bare, later), it.heard);
  assert.equal(isOwned(it.bare), true);
  it.peer.write('x');
  await later.until('read x');
  assert.deepEqual(it.heard.events, []);
});

test('toSocket() makes a socket that reads and writes, and the count goes with it', async () => {
  await using it = await accept({ owned: false });
  it.peer.write('question');
  assert.equal(isOwned(it.bare), false);
  const socket = it.bare.toSocket();
  assert.equal(it.bare.destroyed, true);
  assert.equal(socket.isPaused(), true);
  const [question] = await once(socket.resume(), 'data');
  assert.equal(String(question), 'question');
  socket.end('answer');
  const [answer] = await once(it.peer, 'data');
  assert.equal(String(answer), 'answer');
  assert.equal(it.closed(), 0);
  it.peer.end();
  await once(socket, 'close');
  assert.equal(it.closed(), 1);
});

test('toSocket() of one that is closed is a socket that is closed', async () => {
  await using it = await accept({ owned: false });
  it.bare.destroy();
  const socket = it.bare.toSocket();
  assert.equal(socket.destroyed, true);
});

test('toSocket() refuses one that was read', async () => {
  await using it = await accept();
  assert.throws(() => it.bare.toSocket(), /made of one that was read/);
});

test('acceptBare() needs a server that listens', () => {
  assert.equal(
    acceptBare(net.createServer(), {}, () => {}),
    false,
  );
});
