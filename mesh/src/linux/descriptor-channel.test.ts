import assert from 'node:assert/strict';
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  connectDescriptorChannel,
  type DescriptorChannel,
  type DescriptorListener,
  listenForDescriptorChannels,
  MESSAGE_BYTES_MAX,
} from './descriptor-channel.ts';
import { OwnedDescriptor } from './descriptor-message.ts';
import { LinuxError, SyscallError } from './errors.ts';
import { AF_UNIX, checked, libc, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_SEQPACKET, SOL_SOCKET } from './syscalls.ts';

interface Pair extends Disposable {
  readonly path: string;
  readonly listener: DescriptorListener;
  readonly client: DescriptorChannel;
  readonly server: DescriptorChannel;
}

async function openPair(): Promise<Pair> {
  const stack = new DisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'ambit-channel-'));
  stack.defer(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'zds.sock');
  const listener = stack.use(listenForDescriptorChannels(path));
  const client = stack.use(connectDescriptorChannel(path));
  const server = stack.use(await listener.accept());
  return { path, listener, client, server, [Symbol.dispose]: () => stack.dispose() };
}

const openDescriptorCount = (): number => readdirSync('/proc/self/fd').length;
const isClosed = (code: string) => (error: unknown) => error instanceof LinuxError && error.code === code;

test('a descriptor channel keeps message boundaries and passes a descriptor along', async () => {
  using pair = await openPair();
  writeFileSync(`${pair.path}.txt`, 'through the channel');
  const file = openSync(`${pair.path}.txt`, 'r');
  await pair.client.send(Buffer.from('first'));
  await pair.client.send(Buffer.from('second'), file);
  closeSync(file);
  await pair.server.send(Buffer.alloc(MESSAGE_BYTES_MAX, 7));
  const first = await pair.server.receive();
  assert.deepEqual([first?.data.toString(), first?.descriptor], ['first', null]);
  const second = await pair.server.receive();
  using passed = second?.descriptor ?? assert.fail('no descriptor arrived');
  const content = Buffer.alloc(64);
  assert.equal(content.toString('utf8', 0, readSync(passed.fd, content)), 'through the channel');
  assert.deepEqual((await pair.client.receive())?.data, Buffer.alloc(MESSAGE_BYTES_MAX, 7));
});

test('a descriptor channel knows who is at the other end', async () => {
  using pair = await openPair();
  const self = { processId: process.pid, userId: process.getuid?.(), groupId: process.getgid?.() };
  assert.deepEqual([pair.client.peer, pair.server.peer], [self, self]);
  assert.equal(statSync(pair.path).mode & 0o777, 0o600);
});

test('receive() waits for a message, ends with the peer, and is cut by its signal without losing anything', async () => {
  using pair = await openPair();
  const abort = new AbortController();
  const cut = assert.rejects(pair.server.receive(abort.signal), { name: 'AbortError' });
  abort.abort();
  await cut;
  await assert.rejects(pair.server.receive(abort.signal), { name: 'AbortError' });
  const received = pair.server.receive();
  await pair.client.send(Buffer.from('late'));
  assert.equal((await received)?.data.toString(), 'late');
  const end = pair.server.receive();
  pair.client[Symbol.dispose]();
  assert.equal(await end, null);
});

test('send() waits while the peer does not read and goes on when it does', async () => {
  using pair = await openPair();
  const message = Buffer.alloc(MESSAGE_BYTES_MAX, 1);
  let sent = 0;
  const sending = (async () => {
    for (; sent < 2000; sent++) await pair.client.send(message);
  })();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(sent < 2000, 'the kernel took everything: nothing was held back');
  for (let received = 0; received < 2000; received++) await pair.server.receive();
  await sending;
});

test('closing a descriptor channel rejects whoever waits on it', async () => {
  using pair = await openPair();
  const receiving = assert.rejects(pair.server.receive(), isClosed('channel-closed'));
  const accepting = assert.rejects(pair.listener.accept(), isClosed('channel-closed'));
  pair.server[Symbol.dispose]();
  pair.server[Symbol.dispose]();
  pair.listener[Symbol.dispose]();
  await Promise.all([receiving, accepting]);
  await assert.rejects(pair.server.send(Buffer.from('x')), isClosed('channel-closed'));
  await assert.rejects(
    pair.client.send(Buffer.from('x')),
    (error: unknown) => error instanceof SyscallError && error.errno === 'EPIPE',
  );
});

test('a message above the limit is refused on both sides and leaves no descriptor behind', async () => {
  using pair = await openPair();
  for (const size of [0, MESSAGE_BYTES_MAX + 1]) {
    await assert.rejects(pair.client.send(Buffer.alloc(size)), isClosed('message-too-large'));
  }
  using peer = rawChannelSocket(pair.path);
  using server = await pair.listener.accept();
  const before = openDescriptorCount();
  sendRaw(peer.fd, Buffer.alloc(MESSAGE_BYTES_MAX + 1), [0]);
  await assert.rejects(server.receive(), isClosed('message-truncated'));
  assert.equal(openDescriptorCount(), before);
});

for (const count of [2, 8, 100]) {
  test(`a message with ${count} descriptors is refused and all of them are closed`, async () => {
    using pair = await openPair();
    using peer = rawChannelSocket(pair.path);
    using server = await pair.listener.accept();
    const before = openDescriptorCount();
    sendRaw(
      peer.fd,
      Buffer.from('x'),
      Array.from({ length: count }, () => 0),
    );
    await assert.rejects(server.receive(), isClosed('too-many-descriptors'));
    assert.equal(openDescriptorCount(), before);
    sendRaw(peer.fd, Buffer.from('good'), [0]);
    using descriptor = (await server.receive())?.descriptor ?? assert.fail('no descriptor arrived');
    assert.ok(fstatSync(descriptor.fd).ino > 0);
    assert.match(readFileSync(`/proc/self/fdinfo/${descriptor.fd}`, 'utf8'), /flags:\s+0?2\d{6}/, 'not close-on-exec');
  });
}

test('a listener replaces a socket nobody listens on, and removes its own only', async () => {
  using pair = await openPair();
  using second = listenForDescriptorChannels(pair.path);
  pair.listener[Symbol.dispose]();
  using client = connectDescriptorChannel(pair.path);
  using server = await second.accept();
  await client.send(Buffer.from('to the second'));
  assert.equal((await server.receive())?.data.toString(), 'to the second');
  second[Symbol.dispose]();
  assert.throws(() => statSync(pair.path), { code: 'ENOENT' });
});

test('connecting where nobody listens is worth another attempt; a path that is too long is not', () => {
  const path = join(tmpdir(), 'ambit-nobody-listens-here.sock');
  const caught = (work: () => unknown): unknown => {
    try {
      return work();
    } catch (error) {
      return error instanceof LinuxError ? [error.data['errno'], error.retryable] : error;
    }
  };
  assert.deepEqual(
    caught(() => connectDescriptorChannel(path)),
    ['ENOENT', true],
  );
  assert.deepEqual(
    caught(() => connectDescriptorChannel(`/${'x'.repeat(200)}`)),
    ['ENAMETOOLONG', false],
  );
});

/** A peer that keeps none of the rules. */
function rawChannelSocket(path: string): OwnedDescriptor {
  const socket = new OwnedDescriptor(checked('socket', libc().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)));
  const address = Buffer.concat([Buffer.of(AF_UNIX, 0), Buffer.from(`${path}\0`)]);
  checked('connect', libc().connect(socket.fd, address, address.length));
  return socket;
}

function sendRaw(fd: number, data: Buffer, descriptors: readonly number[]): void {
  const { addressOf, sendmsg } = libc();
  const control = Buffer.alloc(16 + ((descriptors.length * 4 + 7) & ~7));
  control.writeBigUInt64LE(BigInt(16 + descriptors.length * 4), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [i, descriptor] of descriptors.entries()) control.writeInt32LE(descriptor, 16 + i * 4);
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(addressOf(data), 0);
  vector.writeBigUInt64LE(BigInt(data.length), 8);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(addressOf(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  checked('sendmsg', sendmsg(fd, header, 0));
}
