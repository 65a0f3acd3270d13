import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { dialInNetns, listenInNetns, type NetnsHandle } from '@ambit/mesh/linux';
import { NO_EXCLUSIONS } from '@ambit/mesh/kinds';
import { parseIpAddress, parseSocketAddress } from '@ambit/mesh/model';
import { rootTestOptions } from '@ambit/mesh/testing';
import { closed, Link, refuseRules } from '../../test/netns-link.ts';
import { nftables } from './nftables.ts';
import { DEFAULT_REDIRECT_OPTIONS } from './ruleset.ts';

const options = rootTestOptions();

test('cutConnections() ends connections to others and spares those within the pod', options, async () => {
  await using link = await Link.open();
  using cleanup = new DisposableStack();
  const servers = [link.podHandle, link.neighbourHandle].map((handle) => {
    const server = net.createServer((socket) => socket.on('error', () => socket.destroy()).resume());
    return server.on('error', assert.fail).listen({ fd: listenInNetns(handle, { address: 'wildcard', port: 80 }) });
  });
  const open = async (from: NetnsHandle, to: string): Promise<net.Socket> => {
    const socket = dialInNetns(from, { destination: parseSocketAddress(to) }).on('error', () => {});
    cleanup.defer(() => socket.destroy());
    await once(socket, 'connect');
    return socket.resume();
  };
  const cut = await Promise.all([
    open(link.podHandle, '10.9.0.2:80'),
    open(link.podHandle, '[fd00:9::2]:80'),
    open(link.neighbourHandle, '10.9.0.1:80'),
    open(link.neighbourHandle, '[fd00:9::1]:80'),
  ]);
  const spared = await Promise.all([open(link.podHandle, '127.0.0.1:80'), open(link.podHandle, '[::1]:80')]);
  const ended = Promise.all(cut.map(closed));
  assert.equal((await nftables.openConnections(link.podHandle, NO_EXCLUSIONS))?.length, 4);
  await nftables.cutConnections(link.podHandle, NO_EXCLUSIONS);
  await ended;
  assert.deepEqual(
    spared.map((socket) => socket.destroyed),
    [false, false],
  );
  assert.deepEqual(await nftables.openConnections(link.podHandle, NO_EXCLUSIONS), []);
  for (const server of servers) server.close();
});

for (const tracked of [false, true]) {
  const before = tracked ? 'that the kernel had tracked' : 'in a pod without rules';

  test(`connections ${before} are reset with their next packet, in either direction`, options, async () => {
    await using link = await Link.open();
    // Rules of somebody else make the kernel track connections.
    if (tracked)
      link.pod.run('nft', 'table inet other { chain c { type filter hook input priority 0; ct state new; }; }');
    for (const [from, to, speaks] of [
      ['pod', '10.9.0.2:80', 'client'],
      ['pod', '[fd00:9::2]:80', 'server'],
      ['neighbour', '10.9.0.1:80', 'client'],
      ['neighbour', '[fd00:9::1]:80', 'server'],
    ] as const) {
      await using pair = await link.connect(from, to);
      await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
      assert.equal(await pair.say(speaks), 'reset', `${from} ${to} ${speaks}`);
      await nftables.remove(link.podHandle);
    }
  });
}

test(
  'connections that are to be spared go on past the rules, until the rules no longer spare them',
  options,
  async () => {
    await using link = await Link.open();
    await using calling = await link.connect('pod', '10.9.0.2:80');
    await using called = await link.connect('neighbour', '10.9.0.1:80');
    await nftables.apply(link.podHandle, { ...DEFAULT_REDIRECT_OPTIONS, predating: 'spare' });
    assert.deepEqual([await calling.say('client'), await calling.say('server')], ['heard', 'heard']);
    assert.deepEqual([await called.say('client'), await called.say('server')], ['heard', 'heard']);
    // What begins now is captured all the same: by nobody, here.
    assert.equal(await link.call('pod', '10.9.0.2:80'), '');
    await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
    assert.deepEqual([await calling.say('client'), await called.say('server')], ['reset', 'reset']);
  },
);

for (const [kernel, words] of [
  ['a kernel that can do all', ['no such word']],
  ['one that cannot refuse closed ports', ['socket transparent']],
] as const) {
  test(`what a spared connection leaves opens no other one past the agent, on ${kernel}`, options, async () => {
    await using link = await Link.open();
    await using calling = await link.connect('pod', '10.9.0.2:80');
    await using called = await link.connect('neighbour', '10.9.0.1:80');
    using _kernel = refuseRules(...words);
    await nftables.apply(link.podHandle, { ...DEFAULT_REDIRECT_OPTIONS, predating: 'spare' });
    await link.serve('pod', 'app', 80);
    await link.serve('neighbour', 'neighbour', 80);
    for (const [pair, from, to, cutter] of [
      [called, 'neighbour', '10.9.0.1:80', 'server'],
      [calling, 'pod', '10.9.0.2:80', 'server'],
    ] as const) {
      assert.equal(await pair.say('client'), 'heard');
      const { port } = pair;
      await pair.cut(cutter);
      assert.equal(await link.call(from, to, { port }), '', `${from} ${to}`);
    }
  });
}

test('what a connection of the agent leaves opens no other one past the agent', options, async () => {
  await using link = await Link.open();
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  for (const [to, own] of [
    ['10.9.0.2:80', '10.9.0.1'],
    ['[fd00:9::2]:81', 'fd00:9::1'],
  ] as const) {
    await using pair = await link.connect('pod', to, { mark: 0x539, source: { ip: parseIpAddress(own) } });
    assert.equal(await pair.say('client'), 'heard');
    const { port } = pair;
    await pair.cut('server');
    await link.serve('neighbour', 'neighbour', parseSocketAddress(to).port);
    assert.equal(await link.call('pod', to, { source: own, port }), '', to);
  }
});

test('what the agent reset may be called again from the same port, by the agent', options, async () => {
  await using link = await Link.open();
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  await using agent = net.createServer((socket) => {
    socket.on('error', () => {}).once('data', () => socket.resetAndDestroy());
  });
  agent.listen({ fd: listenInNetns(link.podHandle, { address: 'wildcard', port: 15001, mark: 0x539 }) });
  for (const [to, own] of [
    ['10.9.0.2:80', '10.9.0.1'],
    ['[fd00:9::2]:80', 'fd00:9::1'],
  ] as const) {
    for (let i = 0; i < 3; i++) {
      const app = await link.open('pod', to, { source: { ip: parseIpAddress(own), port: 4321 } });
      const over = closed(app.on('error', () => {}));
      app.write('x');
      await over;
    }
  }
});

test('connections within the pod, over loopback or its own address, survive the rules', options, async () => {
  await using link = await Link.open();
  await using loopback = await link.connect('pod', '127.0.0.1:80');
  await using own = await link.connect('pod', '10.9.0.1:80');
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  for (const pair of [loopback, own]) {
    assert.deepEqual([await pair.say('client'), await pair.say('server')], ['heard', 'heard']);
  }
});
