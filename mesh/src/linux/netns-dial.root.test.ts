import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import { parseSocketAddress } from '../model/address.ts';
import { checkLeaks } from '../testing/leak-check.ts';
import { rootTestOptions, TestNetns } from '../testing/test-netns.ts';
import { until } from '../testing/until.ts';
import { SyscallError } from './errors.ts';
import { NetnsHandle } from './netns.ts';
import { dialInNetns, listenInNetns } from './netns-socket.ts';
import { libc } from './syscalls.ts';

checkLeaks();

const options = rootTestOptions();
const descriptorCount = (): number => readdirSync('/proc/self/fd').length;

async function echoServer(handle: NetnsHandle, port: number): Promise<net.Server> {
  const server = net.createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket));
  const fd = listenInNetns(handle, { address: 'wildcard', port });
  await once(server.on('error', assert.fail).listen({ fd }), 'listening');
  return server;
}

for (const inside of [false, true]) {
  const how = inside ? 'at once' : 'through the event loop';

  for (const destination of ['127.0.0.1:7000', '[::1]:7000']) {
    test(`a socket that connects to ${destination} ${how} carries data and half-closes`, options, async () => {
      await using netns = await TestNetns.create();
      using handle = NetnsHandle.open(netns.path);
      await using server = await echoServer(handle, 7000);
      const socket = dialInNetns(handle, { destination: parseSocketAddress(destination), inside });
      let connected = false;
      socket.on('error', assert.fail).once('connect', () => {
        connected = true;
      });
      assert.equal(connected, false, 'nobody could have listened for it');
      await once(socket, 'connect');
      assert.equal(socket.remotePort, 7000);
      socket.end('hello');
      let answer = '';
      for await (const chunk of socket.setEncoding('utf8')) answer += String(chunk);
      assert.equal(answer, 'hello');
      assert.ok(server.listening);
    });
  }

  test(`a refused connection made ${how} ends in one error and leaves no descriptor`, options, async () => {
    await using netns = await TestNetns.create();
    using handle = NetnsHandle.open(netns.path);
    const before = descriptorCount();
    const socket = dialInNetns(handle, { destination: parseSocketAddress('127.0.0.1:9'), inside });
    const failure = await new Promise((resolve) => socket.on('error', resolve));
    assert.equal(failure instanceof SyscallError ? failure.errno : codeOf(failure), 'ECONNREFUSED');
    await new Promise((resolve) => (socket.closed ? resolve(null) : socket.once('close', resolve)));
    assert.equal(descriptorCount(), before);
  });

  test(`a socket destroyed before it connected ${how} says nothing more`, options, async () => {
    await using netns = await TestNetns.create();
    using handle = NetnsHandle.open(netns.path);
    await using server = await echoServer(handle, 7000);
    const socket = dialInNetns(handle, { destination: parseSocketAddress('127.0.0.1:7000'), inside });
    socket.on('error', assert.fail).on('connect', () => assert.fail('connected after it was destroyed'));
    socket.destroy();
    await once(socket, 'close');
    assert.ok(server.listening);
  });

  test(`a destination that answers late is waited for ${how}`, options, async () => {
    await using netns = await TestNetns.create();
    using handle = NetnsHandle.open(netns.path);
    const before = descriptorCount();
    netns.run('nft', 'table inet t { chain c { type filter hook input priority 0; tcp dport 7000 drop; }; }');
    await using server = await echoServer(handle, 7000);
    const socket = dialInNetns(handle, { destination: parseSocketAddress('127.0.0.1:7000'), inside });
    const abandoned = dialInNetns(handle, { destination: parseSocketAddress('127.0.0.1:7000'), inside });
    const connected = once(socket.on('error', assert.fail), 'connect');
    abandoned.on('error', assert.fail).on('connect', () => assert.fail('connected after it was destroyed'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    abandoned.destroy();
    netns.run('nft', 'delete', 'table', 'inet', 't');
    await connected;
    socket.destroy();
    server.close();
    await once(server, 'close');
    handle[Symbol.dispose]();
    await until('all descriptors are closed, the handle among them', () => descriptorCount() === before - 1);
  });
}

test(
  'sockets in stock stay few, are closed when load is over, and with the handle of their namespace',
  options,
  async () => {
    await using netns = await TestNetns.create();
    const handle = NetnsHandle.open(netns.path);
    await using server = await echoServer(handle, 7000);
    const before = descriptorCount();
    for (let round = 0; round < 10; round++) {
      const sockets = await Promise.all(
        Array.from({ length: 40 }, async (_, i) => {
          const destination = parseSocketAddress(i % 2 === 0 ? '127.0.0.1:7000' : '[::1]:7000');
          const socket = dialInNetns(handle, { destination, inside: i % 3 === 0 }).on('error', assert.fail);
          await once(socket, 'connect');
          return socket;
        }),
      );
      await Promise.all(
        sockets.map((socket) => {
          socket.resetAndDestroy();
          return once(socket, 'close');
        }),
      );
    }
    // Fifteen of each family, and none of the connections on either side.
    await until('few descriptors are kept', () => descriptorCount() - before <= 30);
    await until('no descriptor is kept', () => descriptorCount() === before);
    const dial = (): net.Socket => dialInNetns(handle, { destination: parseSocketAddress('127.0.0.1:7000') });
    for (let i = 0; i < 20; i++) dial().on('error', assert.fail).destroy();
    handle[Symbol.dispose]();
    assert.ok(server.listening);
    await until('all descriptors are closed, the handle among them', () => descriptorCount() === before - 1);
    assert.throws(() => dialInNetns(handle, { destination: parseSocketAddress('127.0.0.1:1') }), /disposed/);
  },
);

test('a dial that fails before it connects closes its descriptor', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  const destination = parseSocketAddress('127.0.0.1:7000');
  const taken = listenInNetns(handle, { address: destination.ip, port: 7001 });
  const before = descriptorCount();
  const source = { ip: destination.ip, port: 7001 };
  assert.throws(
    () => dialInNetns(handle, { destination, source }),
    (error: unknown) => error instanceof SyscallError && error.syscall === 'bind' && error.errno === 'EADDRINUSE',
  );
  assert.equal(descriptorCount(), before);
  libc().close(taken);
});

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
