import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dialInNetns, listenInNetns, NetnsHandle, readOriginalDestination } from '@ambit/mesh/linux';
import { formatSocketAddress, type IpAddress, parseIpAddress, parseSocketAddress } from '@ambit/mesh/model';
import { TestNetns } from '@ambit/mesh/testing';

/** A pod and a neighbour on one link, with servers that answer with their name and what they know of the caller. */
export class Link implements AsyncDisposable {
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
    await using half = new AsyncDisposableStack();
    const stack = half.use(new AsyncDisposableStack());
    const link = new Link(await TestNetns.create(), await TestNetns.create(), stack);
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
    half.move();
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
export class Pair implements AsyncDisposable {
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

/** The kernel refuses rules that have any of these words. */
export function refuseRules(...words: readonly string[]): Disposable {
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
export function closed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

export function portOf(socket: net.Socket): number {
  return socket.localPort ?? assert.fail('the socket is not connected');
}
