import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import net, { type AddressInfo, type Socket } from 'node:net';
import { platform } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseSocketAddress, type SocketAddress } from '../model/address.ts';
import { until } from '../testing/until.ts';
import { BlockingSocket } from './blocking-socket.ts';
import { SyscallError } from './errors.ts';

const skip = platform() !== 'linux';
const TIMEOUT_MS = 60;

/** A server in this thread, which therefore accepts and answers only between calls that block. */
async function listen(
  host = '127.0.0.1',
): Promise<{ readonly address: SocketAddress; accept(): Promise<Socket> } & AsyncDisposable> {
  const sockets: Socket[] = [];
  const server = net.createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: parseSocketAddress(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`),
    async accept() {
      const [socket] = (await once(server, 'connection')) as [Socket];
      sockets.push(socket.on('error', () => {}));
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Empty for a descriptor that is gone. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function failsWith(syscall: string, errno: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SyscallError);
    assert.deepEqual([error.syscall, error.errno], [syscall, errno]);
    return true;
  };
}

for (const host of ['127.0.0.1', '::1']) {
  test(`sends and receives over ${host}, up to the end of the other side`, { skip }, async () => {
    await using server = await listen(host);
    using socket = BlockingSocket.connect(server.address, { timeoutMs: TIMEOUT_MS });
    const peer = await server.accept();
    socket.send(Buffer.from('question'));
    const received: Buffer[] = [];
    peer.on('data', (chunk: Buffer) => received.push(chunk)).resume();
    await until('the question has arrived', () => Buffer.concat(received).toString() === 'question');
    await new Promise((resolve) => peer.write('answer', resolve));
    const memory = Buffer.alloc(16, '.');
    assert.equal(socket.recv(memory.subarray(0, 8), 4), 4, 'not past the end of the memory');
    assert.equal(socket.recv(memory, 8), 2);
    assert.equal(memory.toString(), '....answer......');
    peer.end();
    await once(peer, 'finish');
    assert.equal(socket.recv(memory, 0), 0);
  });
}

test('gives up after its time, and not before', { skip }, async () => {
  await using server = await listen();
  using socket = BlockingSocket.connect(server.address, { timeoutMs: TIMEOUT_MS });
  await server.accept();
  const startMs = performance.now();
  assert.throws(() => socket.recv(Buffer.alloc(1), 0), failsWith('recv', 'EAGAIN'));
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs >= TIMEOUT_MS - 1 && tookMs < 50 * TIMEOUT_MS, `it took ${tookMs} ms`);
  // More than the buffers of both sides hold, and nobody reads.
  assert.throws(() => socket.send(Buffer.alloc(64 * 1024 * 1024)), failsWith('send', 'EAGAIN'));
});

test('tells why there is no connection, and keeps no descriptor of it', { skip }, async () => {
  const { address } = await listen().then(async (server) => {
    await server[Symbol.asyncDispose]();
    return server;
  });
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const before = descriptors();
  assert.throws(() => BlockingSocket.connect(address, { timeoutMs: TIMEOUT_MS }), failsWith('connect', 'ECONNREFUSED'));
  assert.equal(descriptors(), before);
});

test('an unconnected one is a socket until it is disposed', { skip }, () => {
  const sockets = (): number =>
    readdirSync('/proc/self/fd').filter((fd) => linkOf(`/proc/self/fd/${fd}`).startsWith('socket:')).length;
  const before = sockets();
  for (const family of [4, 6] as const) {
    const socket = BlockingSocket.unconnected(family);
    assert.equal(sockets(), before + 1);
    assert.throws(() => socket.recv(Buffer.alloc(1), 0), failsWith('recv', 'ENOTCONN'));
    socket[Symbol.dispose]();
    assert.equal(sockets(), before);
    // The next descriptor has its number.
    const next = openSync('/dev/null', 'r');
    socket[Symbol.dispose]();
    closeSync(next);
  }
});

test('a signal or a stop begins the wait anew', { skip }, async () => {
  const program = `
    import { BlockingSocket } from '${join(import.meta.dirname, 'blocking-socket.ts')}';
    const socket = BlockingSocket.connect({ ip: '127.0.0.1', port: Number(process.argv[1]) }, { timeoutMs: 10_000 });
    socket.send(Buffer.from('ready'));
    const memory = Buffer.alloc(16);
    process.stdout.write(memory.toString('latin1', 0, socket.recv(memory, 0)));`;
  await using server = await listen();
  const args = ['--conditions=source', '--input-type=module', '--eval', program, String(server.address.port)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const peer = await server.accept();
    await once(peer.resume(), 'data');
    for (let count = 0; count < 3; count++) {
      child.kill('SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, 20));
      child.kill('SIGCONT');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    peer.write('answer');
    const [said] = await once(child.stdout, 'data');
    assert.equal(String(said), 'answer');
  } finally {
    child.kill('SIGKILL');
  }
});

test('a connection that was reset is an error and no signal', { skip }, async () => {
  await using server = await listen();
  using socket = BlockingSocket.connect(server.address, { timeoutMs: TIMEOUT_MS });
  const peer = await server.accept();
  const closed = once(peer, 'close');
  peer.resetAndDestroy();
  await closed;
  assert.throws(() => socket.recv(Buffer.alloc(1), 0), failsWith('recv', 'ECONNRESET'));
  assert.throws(() => socket.send(Buffer.from('late')), failsWith('send', 'EPIPE'));
});
