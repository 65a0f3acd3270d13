import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { dialInNetns, listenInNetns, NetnsHandle, readOriginalDestination } from '@ambit/mesh/linux';
import { formatSocketAddress, type IpAddress, parseIpAddress, parseSocketAddress } from '@ambit/mesh/model';
import { rootTestOptions, TestNetns } from '@ambit/mesh/testing';
import { CniError } from '../errors.ts';
import { nftables } from './nftables.ts';
import { DEFAULT_REDIRECT_OPTIONS } from './ruleset.ts';

const options = rootTestOptions();

/** A pod and a neighbour on one link, with servers that answer with their name and what they know of the caller. */
class Link implements AsyncDisposable {
  readonly pod: TestNetns;
  readonly podHandle: NetnsHandle;
  readonly neighbour: TestNetns;
  readonly neighbourHandle: NetnsHandle;
  readonly #stack: AsyncDisposableStack;

  private constructor(pod: TestNetns, neighbour: TestNetns, stack: AsyncDisposableStack) {
    this.#stack = stack;
    this.pod = stack.use(pod);
    this.neighbour = stack.use(neighbour);
    this.podHandle = stack.use(NetnsHandle.open(pod.path));
    this.neighbourHandle = stack.use(NetnsHandle.open(neighbour.path));
  }

  static async open(): Promise<Link> {
    const link = new Link(await TestNetns.create(), await TestNetns.create(), new AsyncDisposableStack());
    const { pod, neighbour } = link;
    pod.run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(neighbour.processId));
    for (const [netns, last] of [
      [pod, 1],
      [neighbour, 2],
    ] as const) {
      // A link-local address would turn up a second or two later, in the middle of a comparison.
      netns.run('ip', 'link', 'set', 'eth0', 'addrgenmode', 'none');
      netns.run('ip', 'address', 'add', `10.9.0.${last}/24`, 'dev', 'eth0');
      netns.run('ip', 'address', 'add', `fd00:9::${last}/64`, 'dev', 'eth0', 'nodad');
      netns.run('ip', 'link', 'set', 'eth0', 'up');
    }
    pod.run('ip', 'route', 'add', 'default', 'via', '10.9.0.2');
    pod.run('ip', 'route', 'add', 'default', 'via', 'fd00:9::2');
    return link;
  }

  /** Serves `port`; a connection is answered with `name|original destination|peer address`. */
  async serve(where: 'pod' | 'neighbour', name: string, port: number): Promise<void> {
    const handle = where === 'pod' ? this.podHandle : this.neighbourHandle;
    const server = net.createServer((socket) => {
      socket.on('error', () => socket.destroy());
      const destination = formatSocketAddress(readOriginalDestination(socket));
      socket.end(`${name}|${destination}|${socket.remoteAddress?.replace('::ffff:', '')}`);
    });
    this.#stack.use(server.on('error', assert.fail));
    const fd = listenInNetns(handle, { address: 'wildcard', port, mark: 0x539, transparent: 'required' });
    await once(server.listen({ fd }), 'listening');
  }

  /** A server of the pod that keeps its connections, and gives back what it hears with its name before it. */
  async serveEcho(name: string, port: number, mark?: number): Promise<void> {
    const server = net.createServer((socket) => {
      socket
        .on('error', () => socket.destroy())
        .on('data', (heard: Buffer) => socket.write(`${name}:${String(heard)}`));
      this.#stack.defer(() => void socket.destroy());
    });
    this.#stack.use(server.on('error', assert.fail));
    const shared = { address: 'wildcard', port, transparent: 'required' } as const;
    const fd = listenInNetns(this.podHandle, mark === undefined ? shared : { ...shared, mark });
    await once(server.listen({ fd }), 'listening');
  }

  /** Connects from one of the two and stays. Rejects when that takes long. */
  async open(
    from: 'pod' | 'neighbour',
    to: string,
    more: { mark?: number; source?: { ip: IpAddress; port?: number } } = {},
  ): Promise<net.Socket> {
    const handle = from === 'pod' ? this.podHandle : this.neighbourHandle;
    const socket = dialInNetns(handle, { destination: parseSocketAddress(to), ...more });
    this.#stack.defer(() => void socket.on('error', () => {}).destroy());
    await once(socket, 'connect', { signal: AbortSignal.timeout(3000) });
    return socket;
  }

  /** The answer to a call from one of the two. */
  async call(
    from: 'pod' | 'neighbour',
    to: string,
    more: { mark?: number; source?: string; port?: number } = {},
  ): Promise<string> {
    const source = more.source ?? (from === 'pod' ? '10.9.0.1' : '10.9.0.2');
    const isBound = more.source !== undefined || more.port !== undefined;
    const port = more.port === undefined ? {} : { port: more.port };
    const socket = dialInNetns(from === 'pod' ? this.podHandle : this.neighbourHandle, {
      destination: parseSocketAddress(to),
      ...(more.mark === undefined ? {} : { mark: more.mark }),
      ...(isBound ? { source: { ip: parseIpAddress(source), ...port } } : {}),
    }).on('error', () => {});
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    const timer = setTimeout(() => socket.destroy(new Error('no answer')), 3000);
    await closed(socket);
    clearTimeout(timer);
    return answer;
  }

  /** An open connection from one of the two to a server of the other, or of itself. */
  async connect(
    from: 'pod' | 'neighbour',
    to: string,
    more: { mark?: number; source?: { ip: IpAddress } } = {},
  ): Promise<Pair> {
    const destination = parseSocketAddress(to);
    const handle = ['10.9.0.2', 'fd00:9::2'].includes(destination.ip) ? this.neighbourHandle : this.podHandle;
    const listener = net.createServer().on('error', assert.fail);
    const fd = listenInNetns(handle, { address: 'wildcard', port: destination.port });
    await once(listener.listen({ fd }), 'listening');
    const accepted = once(listener, 'connection');
    const client = dialInNetns(from === 'pod' ? this.podHandle : this.neighbourHandle, { destination, ...more });
    await once(
      client.on('error', () => {}),
      'connect',
    );
    const [server]: net.Socket[] = await accepted;
    listener.close();
    return new Pair(client, server ?? assert.fail('nothing was accepted'));
  }

  state(): readonly string[] {
    const show = (...args: readonly string[]): string => this.pod.run('ip', ...args);
    return [
      this.pod.run('nft', 'list', 'ruleset'),
      show('-4', 'rule'),
      show('-6', 'rule'),
      show('-4', 'route', 'show', 'table', 'all'),
      show('-6', 'route', 'show', 'table', 'all'),
      this.pod.run('sysctl', 'net.ipv4.tcp_migrate_req'),
    ];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack[Symbol.asyncDispose]();
  }
}

/** Both ends of one connection. */
class Pair implements AsyncDisposable {
  readonly #ends: Readonly<Record<'client' | 'server', net.Socket>>;

  constructor(client: net.Socket, server: net.Socket) {
    this.#ends = { client, server: server.on('error', () => {}) };
  }

  /** Whether what one end says arrives at the other, or breaks the connection of the one. */
  async say(who: 'client' | 'server'): Promise<'heard' | 'reset'> {
    const listener = this.#ends[who === 'client' ? 'server' : 'client'];
    const heard = new Promise<'heard'>((resolve) => listener.once('data', () => resolve('heard')));
    const reset = closed(this.#ends[who]).then(() => 'reset' as const);
    this.#ends[who].write('hello');
    return Promise.race([heard, reset]);
  }

  /** The client's. */
  get port(): number {
    return portOf(this.#ends.client);
  }

  /** One end resets the connection. */
  async cut(who: 'client' | 'server'): Promise<void> {
    const both = Promise.all(Object.values(this.#ends).map(closed));
    this.#ends[who].resetAndDestroy();
    await both;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of Object.values(this.#ends)) end.destroy();
  }
}

/** How the neighbour's attempt to connect fails; `connected` when it does not. */
async function connectCode(link: Link, to: string): Promise<string> {
  const socket = dialInNetns(link.neighbourHandle, { destination: parseSocketAddress(to) });
  const failed = once(socket, 'error').then(([error]: { code?: string }[]) => error?.code ?? 'unknown');
  const connected = once(socket, 'connect').then(() => 'connected');
  connected.catch(() => {});
  failed.catch(() => {});
  const outcome = await Promise.race([failed, connected]);
  socket.destroy();
  return outcome;
}

test('applied rules capture what the rules say, in both families, and leave the rest alone', options, async () => {
  await using link = await Link.open();
  assert.deepEqual(await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS), { change: 'added', lacks: [] });
  for (const [name, port] of [
    ['outbound', 15001],
    ['inbound', 15006],
    ['hbone', 15008],
    ['app', 8080],
  ] as const) {
    await link.serve('pod', name, port);
  }
  await link.serve('neighbour', 'neighbour', 80);
  const agent = { mark: 0x539 };
  const rows: readonly (readonly [string, string, string])[] = [
    ['the app calls out', await link.call('pod', '10.9.0.2:80'), 'outbound|10.9.0.2:80|10.9.0.1'],
    ['the app calls out', await link.call('pod', '[fd00:9::2]:80'), 'outbound|[fd00:9::2]:80|fd00:9::1'],
    ['the agent calls out', await link.call('pod', '10.9.0.2:80', agent), 'neighbour|10.9.0.2:80|10.9.0.1'],
    ['the agent calls out', await link.call('pod', '[fd00:9::2]:80', agent), 'neighbour|[fd00:9::2]:80|fd00:9::1'],
    ['the app calls loopback', await link.call('pod', '127.0.0.1:8080'), 'app|127.0.0.1:8080|127.0.0.1'],
    ['the app calls loopback', await link.call('pod', '[::1]:8080'), 'app|[::1]:8080|::1'],
    ['the app calls itself', await link.call('pod', '10.9.0.1:8080'), 'app|10.9.0.1:8080|10.9.0.1'],
    ['the app calls itself', await link.call('pod', '[fd00:9::1]:8080'), 'app|[fd00:9::1]:8080|fd00:9::1'],
    ['plaintext comes in', await link.call('neighbour', '10.9.0.1:8080'), 'inbound|10.9.0.1:8080|10.9.0.2'],
    ['plaintext comes in', await link.call('neighbour', '[fd00:9::1]:8080'), 'inbound|[fd00:9::1]:8080|fd00:9::2'],
    ['plaintext to 15001', await link.call('neighbour', '10.9.0.1:15001'), 'inbound|10.9.0.1:15001|10.9.0.2'],
    ['HBONE comes in', await link.call('neighbour', '10.9.0.1:15008'), 'hbone|10.9.0.1:15008|10.9.0.2'],
    ['HBONE comes in', await link.call('neighbour', '[fd00:9::1]:15008'), 'hbone|[fd00:9::1]:15008|fd00:9::2'],
  ];
  assert.deepEqual(
    rows.map(([what, answer]) => [what, answer]),
    rows.map(([what, , expected]) => [what, expected]),
  );
});

test(
  'a port where nobody listens is refused, by whatever is left of its connections too, and never past the agent',
  options,
  async () => {
    await using link = await Link.open();
    await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
    for (const to of ['10.9.0.1:8080', '[fd00:9::1]:8080'])
      assert.equal(await connectCode(link, to), 'ECONNREFUSED', to);
    await link.serve('pod', 'inbound', 15006);
    for (const to of ['10.9.0.1:8080', '[fd00:9::1]:8080'])
      assert.equal(await connectCode(link, to), 'ECONNREFUSED', to);
    await link.serve('pod', 'app', 8080);
    assert.equal(await link.call('neighbour', '10.9.0.1:8080'), 'inbound|10.9.0.1:8080|10.9.0.2');
    // The application ends first: what is left of its connection has the caller's address and port.
    const caller = { mark: 0x539, source: '10.9.0.2' };
    assert.equal(await link.call('pod', '10.9.0.1:8080', caller), 'app|10.9.0.1:8080|10.9.0.2');
    for (const line of link.pod.run('ss', '-tnHO', 'state', 'time-wait').split('\n')) {
      const port = /10\.9\.0\.1\]?:8080 +\S*10\.9\.0\.2\]?:(\d+)/.exec(line)?.[1];
      if (port === undefined) continue;
      const same = dialInNetns(link.neighbourHandle, {
        destination: parseSocketAddress('10.9.0.1:8080'),
        source: { ip: parseIpAddress('10.9.0.2'), port: Number(port) },
      });
      same.on('error', assert.fail);
      await once(same, 'connect');
      same.destroy();
      return;
    }
    assert.fail('nothing was left of the connection');
  },
);

test('an application past the agent is not reached by what is not captured', options, async () => {
  await using link = await Link.open();
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  await link.serve('pod', 'app', 8080);
  // As if it had begun to listen between capture and delivery.
  link.pod.run('nft', 'flush chain inet ambit inbound');
  assert.equal(await connectCode(link, '10.9.0.1:8080'), 'ECONNREFUSED');
  assert.equal(await link.call('pod', '127.0.0.1:8080'), 'app|127.0.0.1:8080|127.0.0.1');
});

test('an agent that borrows the client address reaches the app, and the replies come back to it', options, async () => {
  await using link = await Link.open();
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  await link.serve('pod', 'app', 8080);
  const borrowed = (source: string): { mark: number; source: string } => ({ mark: 0x539, source });
  // One of the neighbour's addresses, and one from beyond: neither is the pod's.
  for (const [to, source] of [
    ['10.9.0.1:8080', '10.9.0.2'],
    ['10.9.0.1:8080', '192.0.2.77'],
    ['[fd00:9::1]:8080', 'fd00:9::2'],
    ['[fd00:9::1]:8080', '2001:db8::77'],
  ] as const) {
    assert.equal(await link.call('pod', to, borrowed(source)), `app|${to}|${source}`);
  }
});

test('the client and the agent that borrows its address may use the same port, whoever is first', options, async () => {
  await using link = await Link.open();
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  await link.serveEcho('app', 8080);
  await link.serveEcho('inbound', 15006, 0x539);
  for (const [to, client] of [
    ['10.9.0.1:8080', '10.9.0.2'],
    ['[fd00:9::1]:8080', 'fd00:9::2'],
  ] as const) {
    const ip = parseIpAddress(client);
    const agent = { mark: 0x539 };
    const called = await link.open('neighbour', to);
    const passedOn = await link.open('pod', to, { ...agent, source: { ip } });
    const sockets = {
      called,
      passedOn,
      'called from the port that the agent has': await link.open('neighbour', to, {
        source: { ip, port: portOf(passedOn) },
      }),
      'passed on from the port that the client has': await link.open('pod', to, {
        ...agent,
        source: { ip, port: portOf(called) },
      }),
    };
    const answers: Record<string, string> = {};
    for (const [name, socket] of Object.entries(sockets)) {
      socket.write('x');
      const [answer]: Buffer[] = await once(socket, 'data', { signal: AbortSignal.timeout(3000) });
      answers[name] = String(answer);
    }
    assert.deepEqual(answers, {
      called: 'inbound:x',
      passedOn: 'app:x',
      'called from the port that the agent has': 'inbound:x',
      'passed on from the port that the client has': 'app:x',
    });
  }
});

test('without the agent captured traffic is refused, not passed on', options, async () => {
  await using link = await Link.open();
  await link.serve('neighbour', 'neighbour', 80);
  assert.equal(await link.call('pod', '10.9.0.2:80'), 'neighbour|10.9.0.2:80|10.9.0.1');
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  assert.deepEqual([await link.call('pod', '10.9.0.2:80'), await link.call('pod', '[fd00:9::2]:80')], ['', '']);
});

test('removal restores the namespace exactly, however often rules were applied or removed', options, async () => {
  await using link = await Link.open();
  link.pod.run('nft', 'table inet other { chain c { type filter hook input priority 0; }; }');
  link.pod.run('ip', 'rule', 'add', 'fwmark', '0x7', 'lookup', '77');
  link.pod.run('ip', 'route', 'add', '198.51.100.0/24', 'dev', 'eth0', 'table', '77');
  const before = link.state();
  await nftables.remove(link.podHandle);
  assert.deepEqual(link.state(), before);
  assert.deepEqual(await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS), { change: 'added', lacks: [] });
  const applied = link.state();
  assert.ok(applied.every((text, i) => text !== before[i]));
  assert.deepEqual(await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS), { change: 'replaced', lacks: [] });
  assert.deepEqual(link.state(), applied);
  await nftables.remove(link.podHandle);
  await nftables.remove(link.podHandle);
  assert.deepEqual(link.state(), before);
});

test('what the kernel refuses is left out, and told', options, async () => {
  await using link = await Link.open();
  const zones = 'connections of the node agent are told from those of callers';
  const closedPorts = 'closed ports refuse connections';
  for (const [words, lacks] of [
    [
      ['zone set', 'socket transparent'],
      [closedPorts, zones],
    ],
    [['zone set'], [zones]],
    [['socket transparent'], [closedPorts]],
  ] as const) {
    using _kernel = refuseRules(...words);
    assert.deepEqual((await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS)).lacks, lacks);
  }
  await link.serve('pod', 'outbound', 15001);
  assert.equal(await link.call('pod', '10.9.0.2:80'), 'outbound|10.9.0.2:80|10.9.0.1');
});

test('a pod without IPv6 is captured over IPv4 and restored', options, async () => {
  await using link = await Link.open();
  link.pod.run('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.lo.disable_ipv6=1');
  const before = link.state();
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  await link.serve('pod', 'outbound', 15001);
  assert.equal(await link.call('pod', '10.9.0.2:80'), 'outbound|10.9.0.2:80|10.9.0.1');
  await nftables.remove(link.podHandle);
  assert.deepEqual(link.state(), before);
});

test('rules with every option on are accepted by the kernel and removed', options, async () => {
  await using link = await Link.open();
  const before = link.state();
  const probeSource = { ipv4: '169.254.7.127', ipv6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' };
  await nftables.apply(link.podHandle, { packetMark: 42, dnsCapture: true, probeSource, predating: 'reset' });
  await nftables.remove(link.podHandle);
  assert.deepEqual(link.state(), before);
});

test('rules that cannot be applied are reported and leave nothing behind', options, async () => {
  await using link = await Link.open();
  const before = link.state();
  const probeSource = { ipv4: 'not an address', ipv6: '::7' };
  await assert.rejects(
    nftables.apply(link.podHandle, { packetMark: 42, dnsCapture: false, probeSource, predating: 'reset' }),
    (error: unknown) => error instanceof CniError && error.code === 'redirection-failed',
  );
  assert.deepEqual(link.state(), before);
});

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
  assert.equal((await nftables.openConnections(link.podHandle))?.length, 4);
  await nftables.cutConnections(link.podHandle);
  await ended;
  assert.deepEqual(
    spared.map((socket) => socket.destroyed),
    [false, false],
  );
  assert.deepEqual(await nftables.openConnections(link.podHandle), []);
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

test('generation() changes when anybody changes rules, and only then', options, async () => {
  await using link = await Link.open();
  await nftables.apply(link.podHandle, DEFAULT_REDIRECT_OPTIONS);
  const applied = nftables.generation(link.podHandle);
  link.pod.run('nft', 'list', 'ruleset');
  assert.equal(nftables.generation(link.podHandle), applied);
  link.pod.run('nft', 'delete', 'table', 'inet', 'ambit');
  assert.notEqual(nftables.generation(link.podHandle), applied);
});

/** The kernel refuses rules that have any of these words. */
function refuseRules(...words: readonly string[]): Disposable {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-nft-'));
  const path = process.env['PATH'] ?? '';
  const script = [
    '#!/bin/sh',
    'rules=$(cat)',
    `case "$rules" in ${words.map((word) => `*"${word}"*`).join(' | ')}) echo "no such thing" >&2; exit 1;; esac`,
    `printf '%s\\n' "$rules" | PATH='${path}' exec nft "$@"`,
    '',
  ].join('\n');
  writeFileSync(join(directory, 'nft'), script, { mode: 0o755 });
  process.env['PATH'] = `${directory}:${path}`;
  return {
    [Symbol.dispose]: () => {
      process.env['PATH'] = path;
      rmSync(directory, { recursive: true });
    },
  };
}

/** Resolves when the socket is closed, broken or not. */
function closed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

function portOf(socket: net.Socket): number {
  return socket.localPort ?? assert.fail('the socket is not connected');
}
