import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type IpAddress, parseIpAddress, parsePort } from '../model/address.ts';
import { rootTestOptions, TestNetns } from '../testing/test-netns.ts';
import { SyscallError } from './errors.ts';
import { NetnsHandle } from './netns.ts';
import { dialInNetns, dialInside, type ListenOptions, listenInNetns } from './netns-socket.ts';
import { descriptorOf, selfTestNodeInternals } from './node-internals.ts';
import { IPPROTO_TCP, libc, TCP_NODELAY } from './syscalls.ts';

const options = rootTestOptions();
const loopback4 = parseIpAddress('127.0.0.1');
const loopback6 = parseIpAddress('::1');

/** Local addresses of the listening TCP sockets of a namespace, `home` being this thread's. */
function listening(netns: TestNetns | 'home', port: number): string[] {
  const table = (file: string): string => (netns === 'home' ? readHome(file) : netns.run('cat', `/proc/net/${file}`));
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  return ['tcp', 'tcp6'].flatMap((file) =>
    table(file)
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && fields[1]?.endsWith(`:${hexPort}`) === true)
      .map((fields) => fields[1] ?? ''),
  );
}

function readHome(file: string): string {
  return readFileSync(`/proc/thread-self/net/${file}`, 'utf8');
}

async function serve(fd: number): Promise<net.Server & AsyncDisposable> {
  const server = net.createServer().on('error', assert.fail);
  server.listen({ fd });
  await once(server, 'listening');
  return server;
}

function listenOptions(address: IpAddress | 'wildcard', more: Partial<ListenOptions> = {}): ListenOptions {
  return { address, port: 15006, ...more };
}

test(
  'listenInNetns() opens the port in the namespace at once, for both families, and not at home',
  options,
  async () => {
    await using netns = await TestNetns.create();
    using handle = NetnsHandle.open(netns.path);
    const fd = listenInNetns(handle, listenOptions('wildcard', { mark: 1337, transparent: 'required' }));
    assert.deepEqual(listening(netns, 15006), ['00000000000000000000000000000000:3A9E']);
    assert.deepEqual(listening('home', 15006), []);
    await using server = await serve(fd);
    assert.equal(descriptorOf(server), fd);
    for (const ip of [loopback4, loopback6]) {
      const accepted = once(server, 'connection');
      using client = disposable(
        dialInNetns(handle, { destination: { ip, port: parsePort(15006) } }).on('error', assert.fail),
      );
      await once(client.socket, 'connect');
      const [socket] = (await accepted) as [net.Socket];
      socket.on('error', assert.fail).end('hello');
      const [data] = (await once(client.socket, 'data')) as [Buffer];
      assert.equal(data.toString(), 'hello');
    }
  },
);

test('sockets of a namespace send small writes at once, accepted and dialled ones alike', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  await using server = await serve(listenInNetns(handle, listenOptions(loopback4)));
  const accepted = once(server, 'connection');
  using client = disposable(
    dialInNetns(handle, { destination: { ip: loopback4, port: parsePort(15006) } }).on('error', assert.fail),
  );
  await once(client.socket, 'connect');
  const [socket] = (await accepted) as [net.Socket];
  using peer = disposable(socket.on('error', assert.fail));
  assert.deepEqual([noDelayOf(client.socket), noDelayOf(peer.socket)], [1, 1]);
});

function noDelayOf(socket: net.Socket): number {
  const value = Buffer.alloc(4);
  const result = libc().getsockopt(descriptorOf(socket), IPPROTO_TCP, TCP_NODELAY, value, Uint32Array.of(4));
  assert.equal(result, 0);
  return value.readUInt32LE(0);
}

test('listenInNetns() binds one address alone when told to', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  const fds = [listenInNetns(handle, listenOptions(loopback4)), listenInNetns(handle, listenOptions(loopback6))];
  assert.deepEqual(listening(netns, 15006), ['0100007F:3A9E', '00000000000000000000000001000000:3A9E']);
  for (const fd of fds) libc().close(fd);
  assert.deepEqual(listening(netns, 15006), []);
});

test('listenInNetns() reports a taken port, keeps no descriptor, and shares the port when asked', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  const first = listenInNetns(handle, listenOptions('wildcard'));
  assert.throws(
    () => listenInNetns(handle, listenOptions('wildcard')),
    (error: unknown) => error instanceof SyscallError && error.syscall === 'bind' && error.errno === 'EADDRINUSE',
  );
  libc().close(first);
  const shared = [0, 1].map(() => listenInNetns(handle, listenOptions('wildcard', { reusePort: true })));
  assert.equal(listening(netns, 15006).length, 2);
  for (const fd of shared) libc().close(fd);
});

for (const [family, ip, source, route] of [
  ['IPv4', '10.9.0.1', '192.0.2.7', ['-4', 'local', '0.0.0.0/0']],
  ['IPv6', 'fd00:9::1', '2001:db8::7', ['-6', 'local', '::/0']],
] as const) {
  test(
    `dialInNetns() shows the destination a foreign ${family} source address, many connections at once`,
    options,
    async () => {
      await using netns = await TestNetns.create();
      using handle = NetnsHandle.open(netns.path);
      netns.run('ip', 'address', 'add', ip, 'dev', 'lo', ...(family === 'IPv6' ? ['nodad'] : []));
      // Replies to the foreign address must come back to the socket: what the redirection rules do in a pod.
      netns.run('ip', route[0], 'rule', 'add', 'fwmark', '1337', 'lookup', '100');
      netns.run('ip', route[0], 'route', 'add', route[1], route[2], 'dev', 'lo', 'table', '100');
      netns.run(
        'sysctl',
        '-qw',
        'net.ipv4.tcp_fwmark_accept=1',
        'net.ipv4.fwmark_reflect=1',
        'net.ipv6.fwmark_reflect=1',
      );
      const fd = listenInNetns(handle, listenOptions(parseIpAddress(ip)));
      await using server = await serve(fd);
      const peers: (string | undefined)[] = [];
      server.on('connection', (socket: net.Socket) => {
        peers.push(socket.remoteAddress);
        socket.on('error', assert.fail).end();
      });
      const dial = async (port?: number): Promise<net.Socket> => {
        const from = parseIpAddress(source);
        const socket = dialInNetns(handle, {
          destination: { ip: parseIpAddress(ip), port: parsePort(15006) },
          mark: 1337,
          source: port === undefined ? { ip: from } : { ip: from, port },
        }).on('error', assert.fail);
        await once(socket, 'connect');
        return socket;
      };
      const sockets = await Promise.all([...Array.from({ length: 20 }, () => dial()), dial(40_001)]);
      assert.equal(sockets.at(-1)?.localPort, 40_001);
      for (const socket of sockets) {
        socket.resume().end();
        await once(socket, 'close');
      }
      assert.deepEqual(
        peers,
        Array.from({ length: 21 }, () => source),
      );
    },
  );
}

test('dialInNetns() emits an error when nothing listens there', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  const socket = dialInNetns(handle, { destination: { ip: loopback4, port: parsePort(9) } });
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
});

test('a dial inside that has to wait fails, and nothing else, when there is no descriptor left', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  const listener = listenInNetns(handle, listenOptions(loopback4, { backlog: 0 }));
  const destination = { ip: loopback4, port: parsePort(15006) };
  // The first one fills the queue of what waits to be accepted.
  using first = dialInside(handle, { destination });
  assert.equal(first.outcome(), null);
  using second = dialInside(handle, { destination });
  assert.equal(second.outcome(), 'waiting');
  const [, most = ''] = /Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  const limit = (max: string): string => `prlimit --pid ${process.pid} --nofile=${max}:`;
  // A child that is there already: without descriptors none can be made.
  const child = spawn('sh', ['-c', `${limit('3')} && echo && read line; ${limit(most)}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const restored = once(child, 'exit');
  await once(child.stdout, 'data');
  const [error] = await once(second.takeSocket(), 'error');
  child.stdin.end();
  await restored;
  libc().close(listener);
  assert.ok(error instanceof SyscallError);
  assert.deepEqual([error.syscall, error.errno], ['dup', 'EMFILE']);
});

test('namespaced sockets work in a worker thread with a borrowed descriptor', options, async () => {
  await using netns = await TestNetns.create();
  using handle = NetnsHandle.open(netns.path);
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.netns).then(async ({ NetnsHandle }) => {
      const { listenInNetns } = await import(workerData.sockets);
      const fd = listenInNetns(NetnsHandle.borrow(workerData.fd), { address: 'wildcard', port: 15001 });
      const server = require('node:net').createServer().on('error', (error) => { throw error; });
      server.listen({ fd }, () => parentPort.postMessage('listening'));
      parentPort.once('message', () => server.close());
    });`;
  const worker = new Worker(source, {
    eval: true,
    workerData: {
      fd: handle.fd,
      netns: new URL('netns.ts', import.meta.url).href,
      sockets: new URL('netns-socket.ts', import.meta.url).href,
    },
  });
  await once(worker, 'message');
  assert.equal(listening(netns, 15001).length, 1);
  assert.deepEqual(listening('home', 15001), []);
  worker.postMessage('stop');
  await once(worker, 'exit');
  assert.deepEqual(listening(netns, 15001), []);
});

test('selfTestNodeInternals() finds the internals of this Node', options, () => {
  selfTestNodeInternals();
});

function disposable(socket: net.Socket): Disposable & { readonly socket: net.Socket } {
  return { socket, [Symbol.dispose]: () => socket.destroy() };
}
