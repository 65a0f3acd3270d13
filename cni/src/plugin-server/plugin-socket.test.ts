import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Metrics, silentLogger } from '@ambit/mesh/runtime';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { cniMetrics } from '../metrics.ts';
import { encodePluginAnswer, type PluginAnswer, type PluginRequest, REQUEST_BYTES_MAX } from './plugin-message.ts';
import { openPluginSocket } from './plugin-socket.ts';

checkLeaks();

const ANSWER: PluginAnswer = { code: 100, message: 'no', details: 'because' };
const OUR_USER = process.getuid?.() ?? 0;

function request(environment: string, configuration: string): Buffer {
  const body = Buffer.from(environment + configuration);
  const head = Buffer.alloc(12);
  head.write('AMBITCN1');
  head.writeUInt32BE(body.length, 8);
  return Buffer.concat([head, body]);
}

const GOOD = request('CNI_COMMAND=ADD\0CNI_CONTAINERID=c\0CNI_NETNS=/n\0CNI_IFNAME=eth0\0CNI_ARGS=\0\0', '{"a":1}');

class World implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'ambit-socket-'));
  readonly path: string = join(this.directory, 'run/cni.sock');
  readonly requests: PluginRequest[] = [];
  readonly metrics: Metrics = new Metrics();
  readonly aborted: string[] = [];
  wait = false;
  readonly #stack: AsyncDisposableStack = new AsyncDisposableStack();
  readonly #instruments = this.metrics.register(cniMetrics);

  constructor() {
    this.#stack.defer(() => rmSync(this.directory, { recursive: true }));
  }

  async open(allowed: number = OUR_USER): Promise<AsyncDisposable> {
    return this.#stack.use(
      await openPluginSocket({
        path: this.path,
        allowedUserIds: new Set([allowed]),
        handle: async (received, signal) => {
          this.requests.push(received);
          if (this.wait) await once(signal, 'abort');
          if (signal.aborted) this.aborted.push(received.command);
          return ANSWER;
        },
        logger: silentLogger,
        metrics: this.#instruments,
      }),
    );
  }

  /** Everything that comes back until the connection ends. */
  async ask(...chunks: readonly Buffer[]): Promise<Buffer> {
    const socket = this.connect();
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    for (const chunk of chunks) {
      socket.write(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => socket.once('close', resolve));
    return Buffer.concat(received);
  }

  connect(): Socket {
    return connect(this.path).on('error', () => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

test('a request is answered, however it is cut into pieces; the socket is for its owner alone', async () => {
  await using world = new World();
  await using _socket = await world.open();
  assert.equal(statSync(world.path).mode & 0o777, 0o600);
  const expected = encodePluginAnswer(ANSWER);
  assert.deepEqual(await world.ask(GOOD), expected);
  assert.deepEqual(await world.ask(...[...GOOD].map((byte) => Buffer.from([byte]))), expected);
  const whole = {
    command: 'ADD',
    containerId: 'c',
    netns: '/n',
    interfaceName: 'eth0',
    args: '',
    configuration: '{"a":1}',
  };
  assert.deepEqual(world.requests, [whole, whole]);
});

test('what is no request is cut off without an answer, and others go on', async () => {
  await using world = new World();
  await using _socket = await world.open();
  const tooLong = Buffer.from(GOOD);
  tooLong.writeUInt32BE(REQUEST_BYTES_MAX, 8);
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    tooLong,
    Buffer.concat([GOOD, Buffer.from('x')]),
    request('CNI_COMMAND=EXPLODE\0\0', '{}'),
    request('CNI_COMMAND=ADD\0', '{}'),
    request('', ''),
  ]) {
    assert.equal((await world.ask(bytes)).length, 0);
  }
  world.connect().end();
  assert.deepEqual([(await world.ask(GOOD)).length > 0, world.requests.length], [true, 1]);
});

test('users who may not are refused and counted', async () => {
  await using world = new World();
  await using _socket = await world.open(OUR_USER + 1);
  assert.equal((await world.ask(GOOD)).length, 0);
  assert.match((await world.metrics.render('text')).body, /ambit_cni_plugin_connections_refused_total 1/);
  assert.deepEqual(world.requests, []);
});

test('a plugin that goes away ends the work for it', async () => {
  await using world = new World();
  await using _socket = await world.open();
  world.wait = true;
  const socket = world.connect();
  socket.write(GOOD);
  await until('the request is there', () => world.requests.length === 1);
  socket.destroy();
  await until('its work ends', () => world.aborted.length === 1);
});

test('a successor takes the path over, and the predecessor leaves it alone', async () => {
  await using world = new World();
  const first = await world.open();
  const second = await world.open();
  await first[Symbol.asyncDispose]();
  assert.ok((await world.ask(GOOD)).length > 0);
  await second[Symbol.asyncDispose]();
  assert.ok(!existsSync(world.path));
});
