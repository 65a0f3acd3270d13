import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { frameOf, type Http2Peer, statusBlock, uint32 } from '../testing/http2-peer.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { dbSvid, environment, hold, listen, listenHbone, targetOf, withPeers } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { secureContextOf, secureContextOptionsOf } from '../tls/secure-context.ts';
import { encodeGoaway, FrameFlag, FrameType, Http2Code } from './frame-codec.ts';
import { createHbonePool } from './pool.ts';
import type { CarrierResult } from './carrier.ts';
import type { OpenedTunnel } from './tunnel.ts';

const { headers, ping, rstStream } = FrameType;
const { none, endHeaders } = FrameFlag;
const opening = { authority: '10.0.0.1:80', headers: [] } as const;

const answer = (id: number): Buffer => frameOf(headers, endHeaders, id, statusBlock(200));

test('tunnels of one key share a session up to the limit, then get another; keys do not share', async () => {
  let connections = 0;
  await using server = await listenHbone((request) => void hold(request.accept()), {
    onConnection: () => {
      connections += 1;
    },
  });
  await using pool = createHbonePool<string>({ ...environment, limits: { clientStreamsMax: 5 } });
  const target = targetOf(server.port);
  const tunnels = await Promise.all(Array.from({ length: 12 }, () => pool.openTunnel(target, opening)));
  assert.equal(pool.streamCount, 12);
  assert.equal(pool.sessionCount, 3);
  assert.equal(connections, 3);
  await pool.openTunnel({ ...target, key: 'another identity' }, opening);
  assert.equal(pool.sessionCount, 4);
  for (const { stream } of tunnels) stream.reset();
  assert.equal(pool.streamCount, 1);
});

test('while a session is being created its waiters are bounded', async () => {
  const sockets: Socket[] = [];
  await using listener = await listen((socket) => void sockets.push(socket));
  const pool = createHbonePool<string>({ ...environment, limits: { poolWaitersMax: 3 } });
  const target = targetOf(listener.port);
  const outcomes = Array.from({ length: 4 }, () =>
    pool.openTunnel(target, opening).then(
      () => 'open',
      (error) => error.code,
    ),
  );
  assert.equal(await outcomes[3], 'pool-full');
  await until('one connection', () => sockets.length > 0);
  await pool[Symbol.asyncDispose]();
  assert.deepEqual(await Promise.all(outcomes), ['draining', 'draining', 'draining', 'pool-full']);
  assert.equal(sockets.length, 1);
});

test('when a session cannot be created, all who wait for it hear why, and the next caller tries again', async () => {
  const closed = await listen(() => {});
  await closed[Symbol.asyncDispose]();
  await using pool = createHbonePool<string>(environment);
  const target = targetOf(closed.port);
  for (let round = 0; round < 2; round += 1) {
    const all = [pool.openTunnel(target, opening), pool.openTunnel(target, opening)];
    for (const each of all) await assert.rejects(each, { code: 'connect' });
  }
  assert.equal(pool.sessionCount, 0);
});

test('a waiter may give up', async () => {
  await using listener = await listen(() => {});
  await using pool = createHbonePool<string>(environment);
  const abort = new AbortController();
  const waiting = pool.openTunnel(targetOf(listener.port), opening, abort.signal);
  abort.abort();
  await assert.rejects(waiting, { code: 'aborted' });
  await assert.rejects(pool.openTunnel(targetOf(listener.port), opening, abort.signal), { code: 'aborted' });
});

const stale: readonly { name: string; act: (peer: Http2Peer) => void }[] = [
  { name: 'that closed', act: (peer) => void peer.socket.destroy() },
  { name: 'that said GOAWAY before the request', act: (peer) => peer.send(encodeGoaway(0, 0)) },
  {
    name: 'that refused the stream',
    act: (peer) => peer.send(frameOf(rstStream, none, 1, uint32(Http2Code.refusedStream))),
  },
];

for (const { name, act } of stale) {
  test(`a request on a session ${name} goes to another one, once`, async () => {
    await withPeers(async (port, peers, pool) => {
      const request = pool.openTunnel(targetOf(port), opening);
      const first = await until('the first session', () => peers[0]);
      await first.receive(headers, 1);
      act(first);
      const second = await until('the second session', () => peers[1]);
      await second.receive(headers, 1);
      second.send(answer(1));
      void hold((await request).stream);
      assert.equal(peers.length, 2);
    });
  });
}

for (const answers of [true, false]) {
  test(`a session whose peer was silent is asked before it is used, and ${answers ? 'used' : 'replaced'} when it ${answers ? 'answers' : 'does not'}`, async () => {
    const clock = new ManualClock();
    await withPeers(
      async (port, peers, pool) => {
        const request = pool.openTunnel(targetOf(port), opening);
        const first = await until('the first session', () => peers[0]);
        await first.receive(headers, 1);
        first.send(answer(1));
        void hold((await request).stream);
        await clock.advance(1000);
        const prompt = pool.openTunnel(targetOf(port), opening);
        // What answered just now is not asked.
        await first.receive(headers, 3);
        assert.deepEqual(first.of(ping), []);
        first.send(answer(3));
        void hold((await prompt).stream);

        await clock.advance(3000);
        const late = [pool.openTunnel(targetOf(port), opening), pool.openTunnel(targetOf(port), opening)];
        const question = await first.receive(ping);
        if (answers) first.send(frameOf(ping, 1, 0, question.payload));
        else await clock.advance(2000);
        const asked = answers ? first : await until('another session', () => peers[1]);
        for (const id of answers ? [5, 7] : [1, 3]) {
          await asked.receive(headers, id);
          asked.send(answer(id));
        }
        for (const { stream } of await Promise.all(late)) void hold(stream);
        assert.deepEqual(
          [first.of(ping).length, first.of(headers).length, peers.length],
          answers ? [1, 4, 1] : [1, 2, 2],
        );
      },
      { clock, limits: { pingIntervalMs: 100_000 } },
    );
  });
}

test('sessions whose peer has gone silent are asked at once after the first, not one after the other', async () => {
  const clock = new ManualClock();
  await withPeers(
    async (port, peers, pool) => {
      const opened: Promise<OpenedTunnel<string>>[] = [];
      for (let i = 0; i < 4; i += 1) {
        opened.push(pool.openTunnel(targetOf(port), opening));
        const peer = await until('a session', () => peers[i]);
        await peer.receive(headers, 1);
        peer.send(answer(1));
        await opened[i];
      }
      // All have room again.
      for (const tunnel of opened) (await tunnel).stream.reset();
      await clock.advance(3000);
      const late = pool.openTunnel(targetOf(port), opening);
      await until('a question', () => peers.some((peer) => peer.of(ping).length > 0));
      await clock.advance(2000);
      await until('the others', () => peers.every((peer) => peer.of(ping).length === 1));
      await clock.advance(2000);
      const fresh = await until('another session', () => peers[4]);
      await fresh.receive(headers, 1);
      fresh.send(answer(1));
      void hold((await late).stream);
    },
    { clock, settings: [[3, 1]], limits: { pingIntervalMs: 100_000, clientStreamsMax: 1 } },
  );
});

test('a request that two sessions in a row did not live to hear of is said to be unheard', async () => {
  await withPeers(async (port, peers, pool) => {
    const request = pool.openTunnel(targetOf(port), opening);
    for (const turn of [0, 1]) {
      const peer = await until('a session', () => peers[turn]);
      await peer.receive(headers, 1);
      peer.send(encodeGoaway(0, 0));
    }
    await assert.rejects(request, { code: 'goaway', isUnheard: true });
  });
});

test('a request is not repeated a second time, nor after a plain reset', async () => {
  await withPeers(async (port, peers, pool) => {
    const request = pool.openTunnel(targetOf(port), opening);
    for (const turn of [0, 1]) {
      const peer = await until('a session', () => peers[turn]);
      await peer.receive(headers, 1);
      peer.send(frameOf(rstStream, none, 1, uint32(Http2Code.refusedStream)));
    }
    await assert.rejects(request, { code: 'reset' });
    const another = pool.openTunnel(targetOf(port), opening);
    const second = await until('a session', () => peers[1]);
    await second.receive(headers, 3);
    second.send(frameOf(rstStream, none, 3, uint32(Http2Code.internalError)));
    await assert.rejects(another, { code: 'reset' });
    assert.equal(peers.length, 2);
  });
});

test('streams over the limit of a peer that says it too late go to other sessions, which are not asked for too many again', async (t) => {
  let connections = 0;
  const held: Promise<CarrierResult>[] = [];
  // node:http2 refuses streams over its limit; its settings come after our first requests.
  const server = http2.createSecureServer({
    ...secureContextOptionsOf(secureContextOf(dbSvid)),
    requestCert: true,
    ALPNProtocols: ['h2'],
    settings: { maxConcurrentStreams: 2 },
  });
  server.on('session', () => (connections += 1));
  server.on('stream', (stream) => {
    stream.on('error', () => {}).respond({ ':status': 200 });
    stream.resume();
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  {
    await using pool = createHbonePool<string>(environment);
    const tunnels = await Promise.all(
      Array.from({ length: 9 }, () => pool.openTunnel(targetOf(address.port), opening)),
    );
    assert.deepEqual([pool.streamCount, pool.sessionCount, connections], [9, 5, 5]);
    held.push(...tunnels.map(({ stream }) => hold(stream)));
  }
  await Promise.all(held);
});

test('waiters get a stream that ends elsewhere, and the limit of the peer counts', async () => {
  await withPeers(
    async (port, peers, pool) => {
      const request = pool.openTunnel(targetOf(port), opening);
      const first = await until('a session', () => peers[0]);
      await first.receive(headers, 1);
      first.send(answer(1));
      const { stream } = await request;
      const others = [pool.openTunnel(targetOf(port), opening), pool.openTunnel(targetOf(port), opening)];
      const second = await until('a second session', () => peers[1]);
      await second.receive(headers, 1);
      stream.reset();
      second.send(answer(1));
      const third = await until('a stream on either', () =>
        peers.find((peer, i) => peer.of(headers).length > (i < 2 ? 1 : 0)),
      );
      third.send(answer(third === first ? 3 : third === second ? 3 : 1));
      await Promise.all(others);
    },
    { settings: [[3, 1]] },
  );
});

test('a peer that allows no streams is left, and asked no oftener than there are callers', async () => {
  await withPeers(
    async (port, peers, pool) => {
      for (let i = 0; i < 5; i += 1) {
        const request = pool.openTunnel(targetOf(port), opening);
        const peer = await until('a session', () => peers[i]);
        // The request may have left before the peer's settings came.
        await Promise.race([
          assert.rejects(request),
          peer.receive(headers, 1).then(() => peer.send(frameOf(rstStream, none, 1, uint32(Http2Code.cancel)))),
        ]);
        await assert.rejects(request, (error: { code: string }) => ['goaway', 'reset'].includes(error.code));
      }
      await until('no session is left', () => pool.sessionCount === 0);
      assert.equal(peers.length, 5);
    },
    { settings: [[3, 0]] },
  );
});

test('sessions of one key are bounded; who comes then waits for a stream to end', async () => {
  await using server = await listenHbone((request) => void hold(request.accept()));
  await using pool = createHbonePool<string>({ ...environment, limits: { clientStreamsMax: 1, poolSessionsMax: 2 } });
  const target = targetOf(server.port);
  const first = await pool.openTunnel(target, opening);
  await pool.openTunnel(target, opening);
  const third = pool.openTunnel(target, opening);
  assert.equal(pool.sessionCount, 2);
  first.stream.reset();
  await third;
  assert.equal(pool.sessionCount, 2);
});
