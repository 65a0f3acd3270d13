import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { formatSocketAddress, parseSocketAddress } from '../model/address.ts';
import { rootTestOptions, TestNetns } from '../testing/test-netns.ts';
import { SyscallError } from './errors.ts';
import { NetnsHandle } from './netns.ts';
import { dialInNetns, listenInNetns } from './netns-socket.ts';
import { readOriginalDestination, readOriginalDestinationOfFd } from './original-destination.ts';

const options = rootTestOptions();

/** Accepts one connection that was dialled to `destination` and returns its original destination. */
async function dialledThrough(netns: TestNetns, destination: string): Promise<string> {
  using handle = NetnsHandle.open(netns.path);
  await using server = net.createServer().on('error', assert.fail);
  server.listen({ fd: listenInNetns(handle, { address: 'wildcard', port: 15001 }) });
  const accepted = once(server, 'connection');
  const client = dialInNetns(handle, { destination: parseSocketAddress(destination) }).on('error', assert.fail);
  const [socket] = (await accepted) as [net.Socket];
  const original = readOriginalDestination(socket.on('error', assert.fail));
  client.destroy();
  socket.destroy();
  return formatSocketAddress(original);
}

test('readOriginalDestination() returns what was dialled before redirection, in both families', options, async () => {
  await using netns = await TestNetns.create();
  netns.run('ip', 'route', 'add', 'local', '198.51.100.0/24', 'dev', 'lo');
  netns.run('ip', 'route', 'add', 'local', '2001:db8::/64', 'dev', 'lo');
  netns.run(
    'nft',
    'table inet t { chain c { type nat hook output priority 0; meta l4proto tcp tcp dport != 15001 redirect to :15001; }; }',
  );
  for (const destination of ['198.51.100.7:8080', '[2001:db8::7]:443', '203.0.113.1:80']) {
    if (destination.startsWith('203')) netns.run('ip', 'route', 'add', 'default', 'dev', 'lo');
    assert.equal(await dialledThrough(netns, destination), destination);
  }
});

test('readOriginalDestination() returns the local address of a connection nothing redirected', options, async () => {
  await using netns = await TestNetns.create();
  for (const destination of ['127.0.0.1:15001', '[::1]:15001']) {
    assert.equal(await dialledThrough(netns, destination), destination);
  }
});

test('readOriginalDestination() of a socket that is gone throws', options, () => {
  assert.throws(
    () => readOriginalDestination(new net.Socket().on('error', assert.fail)),
    (error: unknown) => error instanceof SyscallError && error.errno === 'EBADF',
  );
  assert.throws(() => readOriginalDestinationOfFd(-1), SyscallError);
});
