import assert from 'node:assert/strict';
import { once } from 'node:events';
import type net from 'node:net';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { frameOf, type Http2Peer, securePeer, statusBlock, uint32 } from '../testing/http2-peer.ts';
import {
  dbSvid,
  dial,
  environment,
  identityOf,
  listen,
  listenHbone,
  targetOf,
  webSvid,
} from '../testing/tunnel-world.ts';
import { createTestCa, testIdentity } from '../testing/test-ca.ts';
import { until } from '../testing/until.ts';
import { secureContextOf } from '../tls/secure-context.ts';
import type { ConnectOptions } from './contract.ts';
import { HboneError } from './errors.ts';
import { encodeGoaway, encodeSettings, FrameFlag, FrameType, Http2Code } from './frame-codec.ts';
import { acceptHbone } from './server.ts';
import { connectHbone } from './session.ts';
import type { CarrierResult } from './carrier.ts';
import type { HboneConnection, HboneSession } from './tunnel.ts';

const { data, headers, rstStream, settings, goaway, ping, pushPromise, windowUpdate } = FrameType;
const { none, ack, endHeaders, endStream } = FrameFlag;
const opening = { authority: '10.0.0.1:80', headers: [] } as const;

function connectTo(port: number, options: Partial<ConnectOptions<string>> = {}): Promise<HboneSession<string>> {
  const { openSocket, verifyPeer } = targetOf(port);
  return connectHbone<string>({
    ...environment,
    openSocket,
    verifyPeer,
    secureContext: secureContextOf(webSvid),
    ...options,
  });
}

interface Meeting {
  readonly session: HboneSession<string>;
  readonly peer: Http2Peer;
  readonly ended: Promise<HboneError | undefined>;
}

/** Our client and a scripted server. */
async function meet(
  run: (meeting: Meeting) => Promise<void>,
  options: Partial<ConnectOptions<string>> = {},
): Promise<void> {
  const served = Promise.withResolvers<Http2Peer>();
  const ended = Promise.withResolvers<HboneError | undefined>();
  await using listener = await listen((socket) => void securePeer(socket, 'server', dbSvid).then(served.resolve));
  const session = await connectTo(listener.port, { onClose: (_, error) => ended.resolve(error), ...options });
  await using peer = await served.promise;
  peer.send(encodeSettings([]));
  await run({ session, peer, ended: ended.promise });
  session.destroy(new HboneError('aborted'));
}

test('a client announces the settings of HBONE and a 16 MiB connection window', async () => {
  await meet(async ({ peer }) => {
    const own = await peer.receive(settings);
    assert.deepEqual(
      own.payload,
      encodeSettings([
        [2, 0],
        [4, 4 * 1024 * 1024],
        [5, 1024 * 1024],
        [6, 16 * 1024],
      ]).subarray(9),
    );
    const update = await peer.receive(windowUpdate, 0);
    assert.equal(update.payload.readUInt32BE(0), 16 * 1024 * 1024 - 65_535);
    await until('SETTINGS ACK', () => peer.of(settings).some(({ flags }) => flags === ack));
  });
});

test('a client sends CONNECT without scheme or path and begins its first block with a table of size 0', async () => {
  await meet(async ({ session, peer }) => {
    const request = session.openTunnel({ authority: 'h:1', headers: [['x', 'y']] });
    const frame = await peer.receive(headers, 1);
    assert.equal(frame.payload.toString('latin1'), '\x20\x02\x07CONNECT\x01\x03h:1\x00\x01x\x01y');
    assert.equal(frame.flags, endHeaders);
    peer.send(frameOf(headers, endHeaders, 1, statusBlock(200)));
    await request;
    void session.openTunnel({ authority: 'h:1', headers: [] }).catch(() => {});
    const second = await peer.receive(headers, 3);
    assert.equal(second.payload.toString('latin1'), '\x02\x07CONNECT\x01\x03h:1');
  });
});

const clientBreaches: readonly { name: string; frames: readonly Uint8Array[]; code: number }[] = [
  { name: 'PUSH_PROMISE', frames: [frameOf(pushPromise, endHeaders, 1, uint32(2))], code: Http2Code.protocolError },
  {
    name: 'HEADERS on a stream nobody opened',
    frames: [frameOf(headers, endHeaders, 7, statusBlock(200))],
    code: Http2Code.protocolError,
  },
  {
    name: 'HEADERS on an even stream',
    frames: [frameOf(headers, endHeaders, 2, statusBlock(200))],
    code: Http2Code.protocolError,
  },
  {
    name: 'DATA on a stream nobody opened',
    frames: [frameOf(data, none, 9, Buffer.alloc(1))],
    code: Http2Code.protocolError,
  },
];

for (const { name, frames, code } of clientBreaches) {
  test(`a client ends the connection on ${name}`, async () => {
    await meet(async ({ session, peer, ended }) => {
      const request = session.openTunnel(opening);
      peer.send(...frames);
      await assert.rejects(request, { code: 'protocol' });
      assert.equal(await peer.goawayCode(), code);
      assert.equal((await ended)?.code, 'protocol');
    });
  });
}

const badAnswers: readonly { name: string; frames: readonly Uint8Array[] }[] = [
  { name: 'no status', frames: [frameOf(headers, endHeaders, 1, Buffer.alloc(0))] },
  {
    name: 'a status that is no number',
    frames: [frameOf(headers, endHeaders, 1, Buffer.from('\x08\x032x0', 'latin1'))],
  },
  {
    name: 'a request pseudo field',
    frames: [frameOf(headers, endHeaders, 1, Buffer.concat([statusBlock(200), Buffer.from([0x82])]))],
  },
  {
    name: 'an illegal header',
    frames: [frameOf(headers, endHeaders, 1, Buffer.concat([statusBlock(200), Buffer.from([0, 1, 0x41, 1, 0x62])]))],
  },
  {
    name: 'an interim answer that ends the stream',
    frames: [frameOf(headers, endHeaders | endStream, 1, statusBlock(100))],
  },
  {
    name: 'a list over the limit',
    frames: [
      frameOf(
        headers,
        endHeaders,
        1,
        Buffer.concat([statusBlock(200), ...Array.from({ length: 200 }, () => Buffer.from([0x82]))]),
      ),
    ],
  },
];

for (const { name, frames } of badAnswers) {
  test(`a client resets the stream on an answer with ${name}`, async () => {
    await meet(async ({ session, peer }) => {
      const request = session.openTunnel(opening);
      await peer.receive(headers, 1);
      peer.send(...frames);
      await assert.rejects(request, { code: 'protocol' });
      assert.equal(await peer.resetCode(1), Http2Code.protocolError);
      assert.equal(session.state, 'open');
    });
  });
}

test('a GOAWAY fails the streams it did not take and no others', async () => {
  await meet(async ({ session, peer, ended }) => {
    const first = session.openTunnel(opening);
    const second = session.openTunnel(opening);
    await peer.receive(headers, 3);
    peer.send(encodeGoaway(1, 0));
    await assert.rejects(second, { code: 'goaway', retryable: true });
    peer.send(frameOf(headers, endHeaders, 1, statusBlock(200)));
    const { stream } = await first;
    const done = Promise.withResolvers<CarrierResult>();
    stream.read({ onBytes: () => {}, onEnd: () => stream.end(), onClose: done.resolve });
    peer.send(frameOf(data, endStream, 1, Buffer.from('bye')));
    assert.deepEqual(await done.promise, { bytesSent: 0, bytesReceived: 3 });
    assert.equal(await ended, undefined);
  });
});

test('draining a client says GOAWAY and closes after the last stream', async () => {
  await meet(async ({ session, peer, ended }) => {
    const request = session.openTunnel(opening);
    await peer.receive(headers, 1);
    session.drain();
    session.drain();
    assert.equal((await peer.receive(goaway)).payload.readUInt32BE(4), 0);
    assert.equal(session.state, 'draining');
    assert.equal(session.freeStreamCount, 0);
    await assert.rejects(session.openTunnel(opening), { code: 'draining' });
    peer.send(frameOf(headers, endHeaders, 1, statusBlock(200)));
    (await request).stream.reset();
    assert.equal(await ended, undefined);
    assert.equal(session.state, 'closed');
    await assert.rejects(session.openTunnel(opening), { code: 'closed' });
  });
});

test('a connection that dies fails what waits on it', async () => {
  await meet(async ({ session, peer, ended }) => {
    const request = session.openTunnel(opening);
    await peer.receive(headers, 1);
    peer.socket.destroy();
    await assert.rejects(request, { code: 'closed', retryable: true });
    assert.equal((await ended)?.code, 'closed');
  });
});

test('a request whose headers do not fit one frame is refused here', async () => {
  await meet(async ({ session, peer }) => {
    const big = { authority: 'a:1', headers: [['x', 'y'.repeat(16_384)]] } as const;
    await assert.rejects(session.openTunnel(big), { code: 'protocol' });
    await peer.settle();
    assert.deepEqual(peer.of(headers), []);
  });
});

test('a peer that never answers a request costs it the answer timeout, one that goes silent the connection', async () => {
  const clock = new ManualClock();
  const forward = async (ms: number, peer?: Http2Peer): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 1000) {
      await clock.advance(1000);
      await peer?.settle();
    }
  };
  await meet(
    async ({ session, peer, ended }) => {
      const request = session.openTunnel(opening);
      const refused = assert.rejects(request, { code: 'timeout', data: { phase: 'answer' } });
      await peer.receive(headers, 1);
      await forward(30_000, peer);
      await refused;
      assert.equal(await peer.resetCode(1), Http2Code.cancel);
      assert.ok(peer.of(ping).length >= 2);
      await forward(31_000);
      assert.equal((await ended)?.code, 'keepalive');
    },
    { clock },
  );
});

test('connectHbone() tells a refused connection, a stranger, a wrong peer and a deadline apart', async () => {
  const unused = await listen(() => {});
  await unused[Symbol.asyncDispose]();
  await assert.rejects(connectTo(unused.port), { code: 'connect', retryable: true });

  const other = createTestCa();
  await using stranger = await listen((socket) => {
    void securePeer(socket, 'server', other.issue(testIdentity('shop', 'db'))).catch(() => {});
  });
  await assert.rejects(connectTo(stranger.port), { code: 'tls' });

  await using server = await listenHbone(() => {});
  const verifyPeer = (): never => {
    throw new Error('not who I wanted');
  };
  await assert.rejects(connectTo(server.port, { verifyPeer }), { code: 'identity' });
  await until('the refused server is gone', () => server.connectionCount === 0);

  await using silent = await listen(() => {});
  await assert.rejects(connectTo(silent.port, { limits: { connectTimeoutMs: 30 } }), {
    code: 'timeout',
    data: { phase: 'tls' },
  });
  const never = new Promise<never>(() => {});
  await assert.rejects(connectTo(1, { openSocket: () => never, limits: { connectTimeoutMs: 10 } }), {
    code: 'timeout',
    data: { phase: 'open' },
  });
  await assert.rejects(connectTo(1, { openSocket: () => Promise.reject(new Error('no netns')) }), { code: 'connect' });

  const abort = new AbortController();
  const waiting = connectTo(silent.port, { signal: abort.signal });
  setTimeout(() => abort.abort(), 10);
  await assert.rejects(waiting, { code: 'aborted' });
  await assert.rejects(connectTo(silent.port, { signal: abort.signal }), { code: 'aborted' });
});

test('a socket that is opened after the caller gave up is closed', async () => {
  await using listener = await listen(() => {});
  const late = dial(listener.port);
  await once(late, 'connect');
  const opening_ = Promise.withResolvers<net.Socket>();
  const abort = new AbortController();
  const waiting = connectTo(1, { openSocket: () => opening_.promise, signal: abort.signal });
  abort.abort();
  await assert.rejects(waiting, { code: 'aborted' });
  opening_.resolve(late);
  await once(late, 'close');
});

test('acceptHbone() refuses whom verifyPeer refuses, silence and a signal', async () => {
  const outcomes: string[] = [];
  const abort = new AbortController();
  const accept = (options: object) => (socket: net.Socket) =>
    void acceptHbone<string>(socket, {
      ...environment,
      secureContext: secureContextOf(dbSvid),
      verifyPeer: identityOf,
      onTunnel: () => {},
      ...options,
    }).then(
      () => outcomes.push('accepted'),
      (error: HboneError) => outcomes.push(error.code),
    );
  const refuse = (): never => {
    throw new Error('revoked');
  };
  await using choosy = await listen(accept({ verifyPeer: refuse }));
  await connectTo(choosy.port).catch(() => {});
  await until('identity', () => outcomes.includes('identity'));
  await using hasty = await listen(accept({ limits: { handshakeTimeoutMs: 10 } }));
  dial(hasty.port);
  await until('timeout', () => outcomes.includes('timeout'));
  await using stopped = await listen(accept({ signal: abort.signal }));
  dial(stopped.port);
  await until('a connection', () => stopped.connectionCount === 1);
  abort.abort();
  await until('aborted', () => outcomes.includes('aborted'));
  await until('closed', () => stopped.connectionCount === 0);
});

test('a draining server lets in what was on its way, then refuses, then closes', async () => {
  const connections: HboneConnection<string>[] = [];
  const ended = Promise.withResolvers<HboneError | undefined>();
  let requests = 0;
  await using server = await listenHbone(
    (request) => {
      requests += 1;
      request.accept();
    },
    { onConnection: (connection) => connections.push(connection), onClose: (_, error) => ended.resolve(error) },
  );
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  peer.greet();
  const connection = await until('the connection', () => connections[0]);
  const connect = (id: number): Buffer =>
    frameOf(headers, endHeaders, id, Buffer.from('\x02\x07CONNECT\x01\x03a:1', 'latin1'));
  connection.drain();
  assert.equal(connection.state, 'draining');
  assert.equal((await peer.receive(goaway)).payload.readUInt32BE(0), 0x7f_ff_ff_ff);
  peer.send(connect(1));
  const question = await peer.receive(ping);
  await until('the stream on its way', () => requests === 1);
  peer.send(frameOf(ping, ack, 0, question.payload));
  await until('the last GOAWAY', () => peer.of(goaway).length === 2);
  assert.equal(peer.of(goaway)[1]?.payload.readUInt32BE(0), 1);
  peer.send(connect(3));
  assert.equal(await peer.resetCode(3), Http2Code.refusedStream);
  assert.equal(connection.streamCount, 1);
  peer.send(frameOf(rstStream, none, 1, uint32(Http2Code.cancel)));
  assert.equal(await ended.promise, undefined);
  assert.equal(connection.state, 'closed');
});

test('a stream that was refused and is not let go is reset by the server', async () => {
  const clock = new ManualClock();
  await using server = await listenHbone((request) => request.reject(503), { clock });
  await using peer = await securePeer(dial(server.port), 'client', webSvid);
  peer.greet();
  peer.send(frameOf(headers, endHeaders, 1, Buffer.from('\x02\x07CONNECT\x01\x03a:1', 'latin1')));
  assert.equal((await peer.receive(headers, 1)).flags & endStream, endStream);
  for (let second = 0; second < 31; second += 1) {
    await clock.advance(1000);
    await peer.settle();
  }
  assert.equal(await peer.resetCode(1), Http2Code.cancel);
});
