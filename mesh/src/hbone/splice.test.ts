import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { connectBlock, frameOf, type Http2Peer, securePeer, uint32 } from '../testing/http2-peer.ts';
import { dial, environment, listen, listenHbone, targetOf, webSvid } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import type { AcceptOptions } from './contract.ts';
import { encodeSettings, FrameFlag, FrameType, Http2Code } from './frame-codec.ts';
import { createHbonePool } from './pool.ts';
import type { CarrierResult } from './carrier.ts';
import type { TunnelStream } from './tunnel.ts';

const { data, headers, rstStream, windowUpdate } = FrameType;
const { none, endHeaders, endStream } = FrameFlag;
const MIB = 1024 * 1024;

interface Scene {
  readonly peer: Http2Peer;
  /** The application behind the tunnel. */
  readonly app: Socket;
  /** Our socket to the application. */
  readonly socket: Socket;
  readonly stream: TunnelStream;
  readonly done: Promise<CarrierResult>;
}

/** A scripted client, our server, and an application socket spliced to stream 1. */
async function scene(
  run: (scene: Scene) => Promise<void>,
  options: Partial<AcceptOptions<string>> = {},
): Promise<void> {
  const arrived = Promise.withResolvers<Socket>();
  const done = Promise.withResolvers<CarrierResult>();
  const spliced = Promise.withResolvers<{ socket: Socket; stream: TunnelStream }>();
  await using apps = await listen(arrived.resolve);
  await using server = await listenHbone((request) => {
    const socket = dial(apps.port);
    socket.once('connect', () => {
      const stream = request.accept();
      stream.splice(socket, done.resolve);
      spliced.resolve({ socket, stream });
    });
  }, options);
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  peer.greet();
  peer.send(frameOf(headers, endHeaders, 1, connectBlock()));
  await peer.receive(headers, 1);
  await run({ peer, app: await arrived.promise, ...(await spliced.promise), done: done.promise });
}

/** Sends on stream 1 what credit allows, until `bytes` have been sent in all or no credit comes for a while. */
async function sendAll(peer: Http2Peer, bytes: number): Promise<number> {
  const step = 256 * 1024;
  const granted = (): number => peer.of(windowUpdate, 1).reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
  let sent = sentBy.get(peer) ?? 0;
  for (let idle = 0; sent < bytes && idle < 30; ) {
    if (4 * MIB + granted() - sent < step) {
      idle += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      continue;
    }
    idle = 0;
    peer.send(frameOf(data, none, 1, Buffer.alloc(step, 1)));
    sent += step;
  }
  sentBy.set(peer, sent);
  await peer.settle();
  return sent;
}

const sentBy = new WeakMap<Http2Peer, number>();

for (const publicApiOnly of [false, true]) {
  const way = publicApiOnly ? ' (public API)' : '';

  test(`a peer that grants no credit stops the application, bounded in memory${way}`, async () => {
    await scene(
      async ({ peer, app, stream, done }) => {
        peer.send(frameOf(windowUpdate, none, 0, uint32(16 * MIB)));
        let written = 0;
        const chunk = Buffer.alloc(256 * 1024);
        const pump = (): void => {
          while (written < 64 * MIB && app.write(chunk)) written += chunk.length;
        };
        app.on('drain', pump);
        pump();
        await until('the stream window is used up', () => peer.dataBytes(1) === 65_535);
        await new Promise((resolve) => setTimeout(resolve, 50));
        assert.equal(stream.bytesSent, 65_535);
        assert.ok(written < 16 * MIB, `the kernel's buffers and one read of ours, not ${written}`);
        peer.send(frameOf(windowUpdate, none, 1, uint32(100_000)));
        await until('the next credit is used up', () => peer.dataBytes(1) === 165_535);
        app.destroy();
        peer.send(frameOf(rstStream, none, 1, uint32(Http2Code.cancel)));
        assert.equal((await done).error?.code, 'reset');
      },
      { publicApiOnly },
    );
  });

  test(`an application that does not read keeps the peer's credit, until it does${way}`, async () => {
    await scene(
      async ({ peer, app, stream }) => {
        app.pause();
        const sent = await sendAll(peer, 64 * MIB);
        assert.ok(sent < 24 * MIB, `the kernel's buffers and one window, not ${sent}`);
        assert.equal(stream.bytesReceived, sent);
        let received = 0;
        app.on('data', (chunk: Buffer) => {
          received += chunk.length;
        });
        app.resume();
        await until('the application has everything', () => received === sent);
        const more = await sendAll(peer, sent + 10 * MIB);
        assert.equal(more, sent + 10 * MIB);
      },
      { publicApiOnly },
    );
  });

  test(`a cut ends the stream with CONNECT_ERROR and the application with a reset, also when it does not read${way}`, async () => {
    await scene(
      async ({ peer, app, stream, socket, done }) => {
        app.pause();
        const seen = once(app, 'error');
        await sendAll(peer, 64 * MIB);
        assert.equal(socket.destroyed, false);
        stream.cut('policy changed');
        stream.cut('again');
        assert.equal(await peer.resetCode(1), Http2Code.connectError);
        const { error } = await done;
        assert.deepEqual([error?.code, error?.data['reason']], ['cut', 'policy changed']);
        app.resume();
        const [cause] = await seen;
        assert.equal(cause.code, 'ECONNRESET');
        stream.cut('too late');
        stream.reset();
        await peer.settle();
        assert.equal(peer.of(rstStream).length, 1);
      },
      { publicApiOnly },
    );
  });
}

test('a reset by the application becomes CONNECT_ERROR', async () => {
  await scene(async ({ peer, app, done }) => {
    app.resetAndDestroy();
    assert.equal(await peer.resetCode(1), Http2Code.connectError);
    const { error } = await done;
    assert.equal(error?.code, 'socket');
  });
});

test('a socket that somebody else destroys cancels the stream', async () => {
  await scene(async ({ peer, socket, done }) => {
    socket.destroy();
    assert.equal(await peer.resetCode(1), Http2Code.cancel);
    assert.equal((await done).error?.code, 'socket');
  });
});

test('a quiet reset by the peer is an end for the application, after all bytes', async () => {
  await scene(async ({ peer, app, done }) => {
    let text = '';
    app.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    app.resume();
    peer.send(frameOf(data, none, 1, Buffer.from('all of it')), frameOf(rstStream, none, 1, uint32(Http2Code.cancel)));
    await once(app, 'end');
    assert.equal(text, 'all of it');
    const { error } = await done;
    assert.deepEqual([error?.code, error?.data['quiet']], ['reset', true]);
  });
});

test('any other reset by the peer is a reset for the application', async () => {
  await scene(async ({ peer, app, done }) => {
    const failed = once(app, 'error');
    app.resume();
    peer.send(frameOf(rstStream, none, 1, uint32(Http2Code.internalError)));
    const [cause] = await failed;
    assert.equal(cause.code, 'ECONNRESET');
    assert.equal((await done).error?.code, 'reset');
  });
});

test('a connection that dies resets the application', async () => {
  await scene(async ({ peer, app, done }) => {
    const failed = once(app, 'error');
    app.resume();
    peer.socket.destroy();
    const [cause] = await failed;
    assert.equal(cause.code, 'ECONNRESET');
    assert.equal((await done).error?.code, 'closed');
  });
});

test('data and an end that come before the answer reach the application', async () => {
  const arrived = Promise.withResolvers<Socket>();
  const done = Promise.withResolvers<CarrierResult>();
  await using apps = await listen(arrived.resolve);
  let accept = (): void => {};
  await using server = await listenHbone((request) => {
    accept = () => {
      const socket = dial(apps.port);
      socket.once('connect', () => request.accept().splice(socket, done.resolve));
    };
  });
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  peer.greet();
  peer.send(frameOf(headers, endHeaders, 1, connectBlock()));
  peer.send(frameOf(data, none, 1, Buffer.from('early ')), frameOf(data, endStream, 1, Buffer.from('bird')));
  await peer.settle();
  accept();
  const app = await arrived.promise;
  let text = '';
  app.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  app.end('answer');
  app.resume();
  await once(app, 'end');
  assert.equal(text, 'early bird');
  assert.deepEqual(await done.promise, { bytesSent: 6, bytesReceived: 10 });
});

test('early data of a stream that is reset gives its credit back', async () => {
  await using server = await listenHbone(() => {}, {
    limits: { connectionWindowBytes: 400_000, streamWindowBytes: 300_000 },
  });
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  peer.greet();
  for (const id of [1, 3, 5, 7, 9]) {
    peer.send(frameOf(headers, endHeaders, id, connectBlock()));
    peer.send(frameOf(data, none, id, Buffer.alloc(200_000)), frameOf(rstStream, none, id, uint32(Http2Code.cancel)));
    await peer.settle();
  }
  assert.equal(peer.ended, false);
});

test('a splice onto a socket that is gone already ends the tunnel', async () => {
  const done = Promise.withResolvers<CarrierResult>();
  await using apps = await listen(() => {});
  await using server = await listenHbone((request) => {
    const socket = dial(apps.port);
    socket.once('connect', () => {
      socket.destroy();
      request.accept().splice(socket, done.resolve);
    });
  });
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  peer.greet();
  peer.send(frameOf(headers, endHeaders, 1, connectBlock()));
  assert.equal(await peer.resetCode(1), Http2Code.cancel);
  assert.equal((await done.promise).error?.code, 'socket');
});

test('a tunnel that was reset before it was spliced resets the socket', async () => {
  const done = Promise.withResolvers<CarrierResult>();
  await using apps = await listen(() => {});
  await using server = await listenHbone((request) => {
    const stream = request.accept();
    const socket = dial(apps.port);
    socket.once('connect', () => {
      const check = (): void => {
        if (!stream.closed) setImmediate(check);
        else stream.splice(socket, done.resolve);
      };
      check();
    });
  });
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  peer.greet();
  peer.send(frameOf(headers, endHeaders, 1, connectBlock()), frameOf(rstStream, none, 1, uint32(2)));
  assert.equal((await done.promise).error?.code, 'reset');
});

test('a tunnel may be taken once, and writing needs a reader', async () => {
  await using server = await listenHbone((request) => {
    const stream = request.accept();
    assert.throws(() => stream.write(Buffer.from('x')), /bug/);
    const reader = { onBytes: () => {}, onEnd: () => {}, onClose: () => {} };
    stream.read(reader);
    assert.throws(() => stream.read(reader), /bug/);
    assert.throws(() => request.reject(503), /bug/);
    stream.end();
  });
  await using pool = createHbonePool<string>(environment);
  const { stream } = await pool.openTunnel(targetOf(server.port), { authority: 'a:1', headers: [] });
  const ended = Promise.withResolvers<void>();
  stream.read({ onBytes: () => {}, onEnd: ended.resolve, onClose: () => {} });
  await ended.promise;
});

test('reset() and cut() of a tunnel nobody took tell the peer', async () => {
  let turn = 0;
  await using server = await listenHbone((request) => {
    turn += 1;
    if (turn === 1) request.accept().reset();
    else request.accept().cut('no');
  });
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  peer.greet();
  peer.send(frameOf(headers, endHeaders, 1, connectBlock()), frameOf(headers, endHeaders, 3, connectBlock()));
  assert.equal(await peer.resetCode(1), Http2Code.cancel);
  assert.equal(await peer.resetCode(3), Http2Code.connectError);
});

test('lower initial windows stop a stream that had credit, higher ones let it go on', async () => {
  await scene(async ({ peer, app }) => {
    peer.send(encodeSettings([[4, 10]]));
    await peer.settle();
    app.write(Buffer.alloc(1000));
    await until('ten bytes', () => peer.dataBytes(1) === 10);
    peer.send(encodeSettings([[4, 1000]]));
    await until('the rest', () => peer.dataBytes(1) === 1000);
    peer.send(frameOf(windowUpdate, none, 1, uint32(50)));
    app.end(Buffer.alloc(100));
    await until('the credit', () => peer.dataBytes(1) === 1050);
    peer.send(frameOf(windowUpdate, none, 1, uint32(50)));
    await until('the end', () => peer.of(data, 1).some(({ flags }) => (flags & endStream) !== 0));
    assert.equal(peer.dataBytes(1), 1100);
  });
});
