import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameOf } from '../testing/http2-peer.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { environment, listenHbone, targetOf, withPeers } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { HboneError, type HboneErrorCode } from './errors.ts';
import { encodeGoaway, FrameFlag, FrameType, Http2Code } from './frame-codec.ts';
import { createHbonePool } from './pool.ts';
import type { HboneConnection } from './tunnel.ts';

const never = (): void => assert.fail('nothing was lost');

test('channelBinding is the same at both ends of a session and another one for every session', async () => {
  const connections: HboneConnection<string>[] = [];
  await using server = await listenHbone((request) => request.reject(503), {
    onConnection: (connection) => void connections.push(connection),
  });
  await using pool = createHbonePool<string>(environment);
  const sessions = [await pool.session(targetOf(server.port, 'a')), await pool.session(targetOf(server.port, 'b'))];
  await until('both to be accepted', () => connections.length === 2);
  const ours = sessions.map(({ channelBinding }) => channelBinding);
  const theirs = connections.map(({ channelBinding }) => channelBinding);
  assert.equal(ours[0]?.length, 32);
  assert.equal(new Set([...ours, ...theirs]).size, 2);
  assert.deepEqual(new Set(ours), new Set(theirs));
  const [first] = sessions;
  first?.destroy(new HboneError('cut'));
  await until('it to be gone', () => first?.channelBinding === undefined);
});

test('standing() gives the session there is, session() makes one, once', async () => {
  let accepted = 0;
  await using server = await listenHbone((request) => request.reject(503), {
    onConnection: () => void (accepted += 1),
  });
  await using pool = createHbonePool<string>(environment);
  const target = targetOf(server.port);
  assert.equal(pool.standing(target), undefined);
  const [session, same] = await Promise.all([pool.session(target), pool.session(target)]);
  assert.equal(session, same);
  assert.equal(pool.standing(target), session);
  assert.equal(pool.standing({ ...target, key: 'another' }), undefined);
  await until('it to be accepted', () => accepted > 0);
  assert.equal(accepted, 1);
  session.drain();
  assert.equal(pool.standing(target), undefined);
});

test('a held session neither idles away nor ends in a drain before it is let go', async () => {
  const clock = new ManualClock();
  await using server = await listenHbone((request) => request.reject(503), { clock });
  await using pool = createHbonePool<string>({ ...environment, clock, limits: { idleReleaseMs: 1000 } });
  const session = await pool.session(targetOf(server.port));
  const hold = session.hold(never);
  await clock.advance(1500);
  assert.equal(session.state, 'open');
  session.drain();
  assert.equal(session.state, 'draining');
  hold[Symbol.dispose]();
  hold[Symbol.dispose]();
  assert.equal(session.state, 'closed');
});

test('a held connection of a server says that it drains and ends once it is let go', async () => {
  const accepted = Promise.withResolvers<HboneConnection<string>>();
  await using server = await listenHbone((request) => request.reject(503), { onConnection: accepted.resolve });
  await using pool = createHbonePool<string>(environment);
  const session = await pool.session(targetOf(server.port));
  const connection = await accepted.promise;
  const holds = [session.hold(never), connection.hold(never)];
  connection.drain();
  await until('the client to hear of it', () => session.state === 'draining');
  assert.equal(connection.state, 'draining');
  for (const hold of holds) hold[Symbol.dispose]();
  await until('both to end', () => session.state === 'closed' && connection.state === 'closed');
});

test('who holds a session hears once that it failed, also when it had failed before', async () => {
  await withPeers(async (port, peers, pool) => {
    const session = await pool.session(targetOf(port));
    const lost: HboneErrorCode[] = [];
    session.hold((error) => void lost.push(error.code));
    const released = session.hold(never);
    released[Symbol.dispose]();
    await until('the peer', () => peers.length === 1);
    peers[0]?.send(encodeGoaway(0, Http2Code.noError));
    await until('the goaway', () => session.state === 'draining');
    assert.equal(lost.length, 0);
    session.destroy(new HboneError('cut'));
    assert.deepEqual(lost, ['cut']);
    session.hold((error) => void lost.push(error.code));
    session.hold(never)[Symbol.dispose]();
    await until('the late one', () => lost.length === 2);
    assert.deepEqual(lost, ['cut', 'closed']);
  });
});

test('askPeer() is answered by a peer that lives; who asks meanwhile shares the question', async () => {
  await using server = await listenHbone((request) => request.reject(503));
  await using pool = createHbonePool<string>(environment);
  const session = await pool.session(targetOf(server.port));
  assert.equal(session.peerAnsweredMs, Number.NEGATIVE_INFINITY);
  assert.deepEqual(await Promise.all([session.askPeer(20_000), session.askPeer(20_000)]), [true, true]);
  assert.ok(session.peerAnsweredMs > 0);
  session.destroy(new HboneError('cut'));
  await until('it to be gone', () => session.state === 'closed');
  const gone = session.askPeer(20_000);
  assert.equal(await gone, false);
});

test('askPeer() of a peer that is silent says so in time, and hears of a late answer', async () => {
  const clock = new ManualClock();
  await withPeers(
    async (port, peers, pool) => {
      const session = await pool.session(targetOf(port));
      const asked = [session.askPeer(1000), session.askPeer(3000)];
      await until('the peer', () => peers.length === 1);
      const [peer] = peers;
      await peer?.receive(FrameType.ping, 0);
      await clock.advance(1500);
      assert.equal(await asked[0], false);
      assert.equal(peer?.of(FrameType.ping, 0).length, 1);
      peer?.send(frameOf(FrameType.ping, FrameFlag.ack, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, 3])));
      assert.equal(await asked[1], true);
      assert.equal(session.peerAnsweredMs, clock.monotonic());
    },
    { clock },
  );
});
