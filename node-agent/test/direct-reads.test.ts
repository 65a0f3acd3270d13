import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import {
  acceptBare,
  type BareSocket,
  type CarrierResult,
  createHbonePool,
  DirectReads,
  type HbonePool,
  readDirectly,
  sendDirectly,
} from '@ambit/mesh/hbone';
import { ReadySockets, sendBytes } from '@ambit/mesh/linux';
import { atTurnEnd } from '@ambit/mesh/runtime';
import { dial, environment, listen, listenHbone, type Listener, randomOf, targetOf, until } from '@ambit/mesh/testing';

const ENOSPC = 28;
const CLIENTS = 40;
const CLIENT_BYTES = 100_000;
const OPENING = { authority: '10.0.0.1:80', headers: [] } as const;

/** The reads of this thread, which is as busy as the test says. */
class Reads {
  isBusy = false;
  refuses = false;
  adds = 0;
  direct = 0;

  readonly all: DirectReads = new DirectReads(
    (listener) => {
      const sockets = new ReadySockets(listener);
      return {
        add: (fd, slot) => {
          this.adds += 1;
          return this.refuses ? -ENOSPC : sockets.add(fd, slot);
        },
        remove: (fd) => sockets.remove(fd),
        want: (isWanted) => sockets.want(isWanted),
        recv: (fd, memory) => {
          const bytes = sockets.recv(fd, memory);
          if (bytes > 0) this.direct += bytes;
          return bytes;
        },
      };
    },
    atTurnEnd,
    this,
  );

  turn(): void {}
}

/** What bare sockets say goes through a tunnel to an application that sends it back, upside down. */
class World implements AsyncDisposable {
  readonly reads = new Reads();
  readonly bare: BareSocket[] = [];
  readonly results: Promise<CarrierResult>[] = [];
  readonly pool: HbonePool<string> = createHbonePool<string>(environment);
  readonly #server: Server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
  #apps: Listener | undefined;
  #tunnels: Listener | undefined;

  async start(): Promise<void> {
    sendDirectly(sendBytes);
    readDirectly(this.reads.all);
    const apps = await listen((app) => {
      app.on('data', (bytes: Buffer) => app.write(bytes.map((byte) => byte ^ 0xff))).on('end', () => app.end());
      app.resume();
    });
    const tunnels = await listenHbone((request) => {
      const app = dial(apps.port);
      app.once('connect', () => request.accept().splice(app, () => {}));
    });
    [this.#apps, this.#tunnels] = [apps, tunnels];
    const target = targetOf(tunnels.port);
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    assert.equal(
      acceptBare(this.#server, this.#server, (socket) => {
        this.bare.push(socket);
        const done = Promise.withResolvers<CarrierResult>();
        this.results.push(done.promise);
        void this.pool.openTunnel(target, OPENING).then(({ stream }) => stream.splice(socket, done.resolve));
      }),
      true,
    );
  }

  async connect(): Promise<Socket> {
    const { port } = this.#server.address() as AddressInfo;
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }).on('error', () => {});
    await once(socket, 'connect');
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    readDirectly(undefined);
    sendDirectly(undefined);
    for (const socket of this.bare) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.pool[Symbol.asyncDispose]();
    await this.#tunnels?.[Symbol.asyncDispose]();
    await this.#apps?.[Symbol.asyncDispose]();
  }
}

/** Says `bytes` in pieces of all sizes, reads what comes back at its own pace, and checks every byte. Returns how many came. */
async function converse(socket: Socket, bytes: number, seed: number): Promise<number> {
  const random = randomOf(seed);
  const byteAt = (at: number): number => (at * 7 + seed * 13 + (at >> 8)) & 0xff;
  let received = 0;
  socket.on('data', (chunk: Buffer) => {
    for (const byte of chunk) {
      assert.equal(byte, byteAt(received) ^ 0xff, `byte ${received} of client ${seed}`);
      received += 1;
    }
    if (random() > 0.9) {
      socket.pause();
      setTimeout(() => socket.resume(), random() * 5);
    }
  });
  const ended = once(socket, 'end');
  for (let sent = 0; sent < bytes; ) {
    const size = Math.min(bytes - sent, Math.ceil(random() ** 4 * (random() > 0.98 ? 60_000 : 3000)) + 1);
    const piece = Buffer.alloc(size);
    for (let i = 0; i < size; i += 1) piece[i] = byteAt(sent + i);
    sent += size;
    if (!socket.write(piece)) await once(socket, 'drain');
    if (random() > 0.7) await sleep(random() * 20);
  }
  socket.end();
  await ended;
  return received;
}

test('busy threads read what calm ones do, to the byte, also as they become one and the other', async () => {
  await using world = new World();
  await world.start();
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => world.connect()));
  let isOver = false;
  let changes = 0;
  const change = (async () => {
    for (const { reads } = world; !isOver; changes += 1) {
      reads.isBusy = !reads.isBusy;
      await sleep(changes % 7);
    }
  })();
  const counts = await Promise.all(clients.map((socket, seed) => converse(socket, CLIENT_BYTES, seed)));
  isOver = true;
  assert.deepEqual(counts, Array(CLIENTS).fill(CLIENT_BYTES));
  await change;
  assert.ok(changes > 20, `it was busy and calm by turns, ${changes} times`);
  const all = CLIENTS * CLIENT_BYTES;
  const { direct } = world.reads;
  assert.ok(direct > all / 20 && direct < all, `${direct} of ${all} bytes were read directly`);
  for (const result of await Promise.all(world.results)) assert.equal(result.error, undefined);
});

test('a socket that is read directly hears of FIN, reset and its own end as others do', async () => {
  await using world = new World();
  await world.start();
  world.reads.isBusy = true;
  const ways: readonly (readonly [string, (client: Socket, bare: BareSocket) => void])[] = [
    ['FIN', (client) => void client.end()],
    ['reset', (client) => client.resetAndDestroy()],
    ['own end', (_, bare) => bare.destroy()],
    ['own reset', (_, bare) => bare.resetAndDestroy()],
  ];
  for (const [index, [name, end]] of ways.entries()) {
    const client = await world.connect();
    await until('accepted', () => world.bare.length > index);
    const bare = world.bare[index] ?? assert.fail();
    for (const word of ['one', 'two', 'three']) {
      const { direct } = world.reads;
      client.write(word);
      const [answer] = await once(client, 'data');
      assert.equal(String((answer as Buffer).map((byte) => byte ^ 0xff)), word);
      if (word !== 'one') assert.equal(world.reads.direct - direct, word.length, `${name}: ${word} was read directly`);
    }
    const closed = new Promise((resolve) => client.resume().once('close', resolve));
    end(client, bare);
    const result = (await world.results[index]) ?? assert.fail();
    assert.deepEqual([name, result.error === undefined], [name, name === 'FIN']);
    await closed;
    assert.equal(bare.destroyed, true);
  }
});

test('a socket that the kernel has no room to watch is read by its handle, and asked for once', async () => {
  await using world = new World();
  await world.start();
  world.reads.isBusy = true;
  world.reads.refuses = true;
  const client = await world.connect();
  for (const word of ['one', 'two', 'three', 'four']) {
    client.write(word);
    const [answer] = await once(client, 'data');
    assert.equal(String((answer as Buffer).map((byte) => byte ^ 0xff)), word);
  }
  assert.deepEqual([world.reads.adds, world.reads.direct], [1, 0]);
  const closed = new Promise((resolve) => client.resume().once('close', resolve));
  client.end();
  await closed;
});
