import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { platform } from 'node:os';
import { test } from 'node:test';
import { until } from '../testing/until.ts';
import { descriptorOf } from './node-internals.ts';
import { sendBytes } from './send-bytes.ts';
import { EAGAIN } from './syscalls.ts';

const EPIPE = 32;
const EBADF = 9;
const skip = platform() !== 'linux';

interface Pair extends AsyncDisposable {
  readonly socket: Socket;
  readonly fd: number;
  readonly peer: Socket;
}

async function connect(): Promise<Pair> {
  const server = net.createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = once(server, 'connection');
  const socket = net.connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  socket.on('error', () => {});
  await once(socket, 'connect');
  const [peer] = (await accepted) as [Socket];
  peer.on('error', () => {});
  return {
    socket,
    fd: descriptorOf(socket),
    peer,
    [Symbol.asyncDispose]: async () => {
      socket.destroy();
      peer.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

test('sends the part that is asked for, of whatever memory comes by turns', { skip }, async () => {
  await using it = await connect();
  const received: Buffer[] = [];
  it.peer.on('data', (bytes) => received.push(bytes)).resume();
  // Views with an offset, one that V8 would keep in its own heap, and ends of a large one.
  const large = Buffer.allocUnsafeSlow(64 * 1024);
  large.write('[large]', 60_000, 'latin1');
  const memories: readonly (readonly [Uint8Array, number, number])[] = [
    [Buffer.from('--first--'), 2, 7],
    [large.subarray(50_000), 10_000, 10_007],
    [Uint8Array.from(Buffer.from('(small)')), 0, 7],
    [large, 60_000, 60_007],
  ];
  let expected = '';
  for (const turn of [0, 1, 2, 3, 0, 0, 1, 0, 1, 2, 0, 3, 3, 2]) {
    const [memory, start, end] = memories[turn] ?? assert.fail();
    expected += Buffer.from(memory.subarray(start, end)).toString('latin1');
    assert.equal(sendBytes(it.fd, memory, start, end), end - start);
  }
  await until('all has arrived', () => Buffer.concat(received).length >= expected.length);
  assert.equal(Buffer.concat(received).toString('latin1'), expected);
});

test('takes what fits, then says that nothing does, and loses nothing', { skip }, async () => {
  await using it = await connect();
  const memory = Buffer.allocUnsafeSlow(1024 * 1024);
  for (let at = 0; at < memory.length; at += 1) memory[at] = at % 251;
  let sent = 0;
  let last = 0;
  for (let call = 0; call < 1000; call += 1) {
    const at = sent % memory.length;
    last = sendBytes(it.fd, memory, at, memory.length);
    if (last < 0) break;
    sent += last;
  }
  assert.equal(last, -EAGAIN);
  let received = 0;
  let isDamaged = false;
  it.peer.on('data', (bytes) => {
    for (const byte of bytes) {
      isDamaged ||= byte !== (received % memory.length) % 251;
      received += 1;
    }
  });
  it.peer.resume();
  await until('all has arrived', () => received >= sent);
  assert.deepEqual([received, isDamaged], [sent, false]);
});

test('a connection that was reset, and a descriptor of nothing, are errors and no signal', { skip }, async () => {
  await using it = await connect();
  const memory = Buffer.from('late');
  const gone = once(it.peer, 'close');
  it.peer.resetAndDestroy();
  await gone;
  await until('it is noticed', () => sendBytes(it.fd, memory, 0, 4) < 0);
  assert.equal(sendBytes(it.fd, memory, 0, 4), -EPIPE);
  assert.equal(sendBytes(-1, memory, 0, 4), -EBADF);
});
