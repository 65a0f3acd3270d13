import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { BareSocket } from '@ambit/mesh/hbone';
import { dialInNetns, NetnsHandle } from '@ambit/mesh/linux';
import { parseIpAddress, parsePort } from '@ambit/mesh/model';
import { silentLogger } from '@ambit/mesh/runtime';
import { rootTestOptions, TestNetns, until } from '@ambit/mesh/testing';
import { refuseSocket } from './pod-context.ts';
import { PodListeners, type PodPort } from './pod-listeners.ts';
import { originalDestinationOf, remoteAddressOf } from './socket-addresses.ts';

const options = rootTestOptions();
const LIMIT = 2;

interface Scene {
  readonly listeners: PodListeners;
  readonly accepted: (Socket | BareSocket)[];
  readonly dropped: PodPort[];
  readonly dial: (ip?: string) => Promise<Socket>;
}

/** A pod's listeners, which take `LIMIT` connections. */
async function withListeners(run: (scene: Scene) => Promise<void>): Promise<void> {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  using dialled = new DisposableStack();
  const accepted: (Socket | BareSocket)[] = [];
  const dropped: PodPort[] = [];
  const take = (socket: Socket | BareSocket): void => {
    accepted.push(socket);
    dialled.defer(() => socket.destroy());
  };
  const listeners = new PodListeners({
    netns: handle,
    logger: silentLogger,
    packetMark: 1337,
    connectionsMax: LIMIT,
    accept: { 15008: take, 15006: take, 15001: take },
    onDrop: (port) => dropped.push(port),
  });
  await listeners.open();
  dialled.defer(() => listeners.close());
  const dial = async (ip = '127.0.0.1'): Promise<Socket> => {
    const socket = dialInNetns(handle, { destination: { ip: parseIpAddress(ip), port: parsePort(15001) } });
    socket.on('error', () => {});
    dialled.defer(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  await run({ listeners, accepted, dropped, dial });
}

/** A connection that is accepted, as it was. */
async function accept({ accepted, dial }: Scene): Promise<BareSocket> {
  const before = accepted.length;
  await dial();
  const socket = await until('a connection', () => accepted[before]);
  assert.ok(socket instanceof BareSocket);
  return socket;
}

/** Ways in which a captured connection ends, which must all make room for another one. */
const ends: readonly { readonly way: string; readonly end: (socket: BareSocket) => void }[] = [
  { way: 'is destroyed', end: (socket) => socket.destroy() },
  { way: 'is refused', end: (socket) => refuseSocket(socket) },
  {
    way: 'is refused while its FIN is on its way',
    end: (socket) => {
      socket.end();
      refuseSocket(socket);
    },
  },
  { way: "is destroyed as a socket of Node's", end: (socket) => socket.toSocket().destroy() },
  { way: "is refused as a socket of Node's", end: (socket) => refuseSocket(socket.toSocket()) },
  {
    way: "is refused as a socket of Node's while its FIN is on its way",
    end: (socket) => {
      const made = socket.toSocket().end();
      process.nextTick(() => refuseSocket(made));
    },
  },
  {
    way: "is made a socket of Node's when it has been destroyed already",
    end: (socket) => {
      socket.destroy();
      socket.toSocket();
    },
  },
];

for (const { way, end } of ends) {
  test(`a captured connection that ${way} counts no more, once`, options, async () => {
    await withListeners(async (scene) => {
      const { listeners, dropped, dial } = scene;
      await accept(scene);
      end(await accept(scene));
      // As soon as the other one has closed there is room, for one.
      await until('room', async () => {
        const before = scene.accepted.length + dropped.length;
        await dial();
        await until('an answer', () => scene.accepted.length + dropped.length > before);
        return scene.accepted.length === 3;
      });
      const before = dropped.length;
      await dial();
      await until('the limit', () => dropped.length > before);
      assert.equal(scene.accepted.length, 3);
      assert.ok(dropped.every((port) => port === 15001));
      listeners.close();
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(listeners.hasLeftovers, true);
      for (const socket of scene.accepted) socket.destroy();
      await until('no leftovers', () => !listeners.hasLeftovers);
    });
  });
}

for (const ip of ['127.0.0.1', '::1']) {
  test(`the addresses of a captured connection are known, at ${ip}`, options, async () => {
    await withListeners(async ({ accepted, dial }) => {
      const client = await dial(ip);
      const socket = await until('a connection', () => accepted[0]);
      assert.deepEqual(remoteAddressOf(socket), { ip, port: client.localPort });
      assert.deepEqual(originalDestinationOf(socket), { ip, port: 15001 });
    });
  });
}
