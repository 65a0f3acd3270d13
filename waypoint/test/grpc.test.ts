import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { checkLeaks, listen, until } from '@ambit/mesh/testing';
import type { FailureReason } from '../src/http/failures.ts';
import type { Decision } from '../src/http/pipeline.ts';
import { NO_COMPILED_EDITS } from '../src/http/header-edits.ts';
import { HttpWorld, type WorldOptions } from './http-world.ts';

checkLeaks();

const same = (bytes: Buffer): Buffer => bytes;
const common = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
} as const;
const UNARY = { ...common, path: '/shop.Echo/Once', requestStream: false, responseStream: false } as const;
const STREAM = { ...common, path: '/shop.Echo/Talk', requestStream: true, responseStream: true } as const;

type Unary = grpc.handleUnaryCall<Buffer, Buffer>;
type Stream = grpc.handleBidiStreamingCall<Buffer, Buffer>;

/** A server and a client of grpc-js with the proxy between them. */
class GrpcWorld implements AsyncDisposable {
  readonly world: HttpWorld;
  readonly client: grpc.Client;
  readonly #server: grpc.Server | undefined;

  private constructor(world: HttpWorld, server: grpc.Server | undefined) {
    this.world = world;
    this.#server = server;
    this.client = new grpc.Client(`127.0.0.1:${world.port}`, grpc.credentials.createInsecure());
  }

  static async open(
    handlers: { readonly once?: Unary; readonly talk?: Stream },
    options: Partial<WorldOptions> = {},
  ): Promise<GrpcWorld> {
    await using half = new AsyncDisposableStack();
    const server = half.adopt(new grpc.Server(), (one) => one.forceShutdown());
    const once: Unary = handlers.once ?? ((call, done) => done(null, call.request));
    const talk: Stream =
      handlers.talk ?? ((call) => call.on('data', (bytes) => call.write(bytes)).on('end', () => call.end()));
    server.addService({ once: UNARY, talk: STREAM }, { once, talk });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    const world = await HttpWorld.open({
      kind: 'plain',
      clientProtocol: 'http2',
      protocol: 'grpc',
      serverPorts: [port],
      ...options,
    });
    half.move();
    return new GrpcWorld(world, server);
  }

  once(text: string, options: grpc.CallOptions = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(UNARY.path, same, same, Buffer.from(text), options, (error, bytes) =>
        error === null ? resolve(String(bytes)) : reject(error),
      );
    });
  }

  talk(): grpc.ClientDuplexStream<Buffer, Buffer> {
    return this.client.makeBidiStreamRequest(STREAM.path, same, same);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    this.#server?.forceShutdown();
    await this.world[Symbol.asyncDispose]();
  }
}

test('calls go through with their answers, statuses and metadata', async () => {
  await using world = await GrpcWorld.open({
    once: (call, done) => {
      const metadata = new grpc.Metadata();
      metadata.set('x-behind', 'yes');
      if (String(call.request) === 'fail') done({ code: grpc.status.NOT_FOUND, details: 'nothing é here', metadata });
      else done(null, Buffer.concat([call.request, Buffer.from('!')]), metadata);
    },
  });
  assert.equal(await world.once('hello'), 'hello!');
  await assert.rejects(world.once('fail'), (error: grpc.ServiceError) => {
    assert.deepEqual([error.code, error.details, error.metadata.get('x-behind')], [5, 'nothing é here', ['yes']]);
    return true;
  });
  await until('both are recorded', () => world.world.exchanges.length === 2);
  assert.deepEqual(
    world.world.exchanges.map(({ status, grpcStatus, reason }) => [status, grpcStatus, reason]),
    [
      [200, 0, null],
      [200, 5, null],
    ],
  );
});

test('a stream goes both ways at once, message by message', async () => {
  await using world = await GrpcWorld.open({});
  const call = world.talk();
  const heard: string[] = [];
  let status: grpc.StatusObject | undefined;
  call.on('data', (bytes: Buffer) => heard.push(String(bytes)));
  call.on('status', (found: grpc.StatusObject) => void (status = found));
  for (let i = 0; i < 20; i += 1) {
    call.write(Buffer.from(`message ${i}`));
    await until('its echo', () => heard.length === i + 1);
  }
  call.end();
  await until('the status', () => status);
  assert.equal(status?.code, 0);
});

test('a stream of many messages is held back by who does not read', async () => {
  // More than the client's window, the proxy and the server's own buffers hold; a client of grpc-js itself would take it all.
  const total = 256;
  let written = 0;
  let isHeldBack = false;
  await using world = await GrpcWorld.open({
    talk: (call) => {
      const bytes = Buffer.alloc(256 * 1024, 1);
      const pour = (): void => {
        while (written < total) {
          written += 1;
          if (!call.write(bytes)) {
            isHeldBack = true;
            return void call.once('drain', pour);
          }
        }
        call.end();
      };
      pour();
    },
  });
  const session = http2.connect(`http://127.0.0.1:${world.world.port}`);
  const stream = session.request({
    ':method': 'POST',
    ':path': STREAM.path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  await until('the server has to wait', () => isHeldBack);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(written < total / 4, `the server has to wait, but wrote ${written} messages`);
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => void (bytes += chunk.length));
  await until('all has arrived', () => bytes === total * (256 * 1024 + 5));
  session.destroy();
});

test('a client that gives up, and one whose time is up, take the call of the server with them', async () => {
  const cancelled: string[] = [];
  let heard = '';
  await using world = await GrpcWorld.open({
    once: (call) => void call.on('cancelled', () => cancelled.push('once')),
    talk: (call) => {
      call.on('cancelled', () => cancelled.push('talk')).on('error', () => {});
      call.on('data', (bytes: Buffer) => void (heard += String(bytes)));
    },
  });
  const call = world.talk().on('error', () => {});
  call.write(Buffer.from('hello'));
  await until('it arrives', () => heard === 'hello');
  call.cancel();
  await until('the server hears of it', () => cancelled.length === 1);
  await assert.rejects(world.once('slow', { deadline: Date.now() + 200 }), { code: grpc.status.DEADLINE_EXCEEDED });
  await until('the server hears of that', () => cancelled.length === 2);
});

const answer = (reason: FailureReason, status: number): (() => Decision) => {
  return () => ({ kind: 'answer', route: '', reason, status, headers: NO_COMPILED_EDITS });
};

for (const [name, options, code] of [
  ['without a route', { decide: answer('no-route', 404) }, grpc.status.UNIMPLEMENTED],
  ['that policies refuse', { decide: answer('access-denied', 403) }, grpc.status.PERMISSION_DENIED],
  ['for which there is no memory', { decide: answer('no-memory', 503) }, grpc.status.RESOURCE_EXHAUSTED],
  ['for which there is no time', { decide: answer('busy', 503) }, grpc.status.UNAVAILABLE],
  ['without an endpoint', { serverPorts: [] }, grpc.status.UNAVAILABLE],
] as const) {
  test(`a call ${name} is answered with a status of gRPC`, async () => {
    await using world = await GrpcWorld.open({}, options);
    await assert.rejects(world.once('hello'), { code });
    await until('it is recorded', () => world.world.exchanges.length === 1);
    assert.equal(world.world.exchanges[0]?.grpcStatus, code);
  });
}

test('the timeout of a call holds in the proxy too', async () => {
  await using gone = await listen(() => {});
  await using world = await GrpcWorld.open({ once: () => {} }, { serverPorts: [gone.port] });
  // Later than the call's own, the client would give up.
  const interceptor: grpc.Interceptor = (options, next) =>
    new grpc.InterceptingCall(next(options), {
      start: (metadata, listener, start) => {
        metadata.set('grpc-timeout', '150m');
        start(metadata, listener);
      },
    });
  await assert.rejects(world.once('slow', { interceptors: [interceptor] }), { code: grpc.status.DEADLINE_EXCEEDED });
  await until('it is recorded', () => world.world.exchanges.length === 1);
  assert.deepEqual([world.world.exchanges[0]?.reason, world.world.exchanges[0]?.grpcStatus], ['timeout', 4]);
});
