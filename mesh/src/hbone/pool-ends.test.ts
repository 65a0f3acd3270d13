/** How the sessions of a pool come to an end: for want of use, by retirement, by being cut, by draining. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameOf, statusBlock } from '../testing/http2-peer.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { environment, hold, listen, listenHbone, targetOf, withPeers } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { FrameFlag, FrameType } from './frame-codec.ts';
import { createHbonePool } from './pool.ts';
import type { OpenedTunnel } from './tunnel.ts';

const { headers, goaway } = FrameType;
const { endHeaders } = FrameFlag;
const opening = { authority: '10.0.0.1:80', headers: [] } as const;

const answer = (id: number): Buffer => frameOf(headers, endHeaders, id, statusBlock(200));

test('an unused session is closed after the idle time, a used one is not', async () => {
  const clock = new ManualClock();
  await withPeers(
    async (port, peers, pool) => {
      const request = pool.openTunnel(targetOf(port), opening);
      const peer = await until('a session', () => peers[0]);
      await peer.receive(headers, 1);
      peer.send(answer(1));
      const { stream } = await request;
      for (let second = 0; second < 9; second += 1) {
        await clock.advance(1000);
        await peer.settle();
      }
      assert.equal(pool.sessionCount, 1);
      stream.reset();
      for (let second = 0; second < 4; second += 1) {
        await clock.advance(1000);
        await peer.settle();
      }
      assert.deepEqual(peer.of(goaway), []);
      await clock.advance(2000);
      await peer.receive(goaway);
      await until('the session is gone', () => pool.sessionCount === 0);
    },
    { clock, limits: { idleReleaseMs: 5000, pingIntervalMs: 3000, pingTimeoutMs: 60_000 } },
  );
});

test('retire() moves new tunnels to a new session while old ones go on', async () => {
  await using server = await listenHbone((request) => void hold(request.accept()));
  await using pool = createHbonePool<string>(environment);
  const target = targetOf(server.port, 'a');
  const old = await pool.openTunnel(target, opening);
  assert.equal(
    pool.retire((key) => key === 'b'),
    0,
  );
  assert.equal(
    pool.retire((key) => key === 'a'),
    1,
  );
  await pool.openTunnel(target, opening);
  assert.equal(pool.sessionCount, 2);
  assert.equal(old.stream.closed, false);
  const done = hold(old.stream);
  old.stream.write(Buffer.from('x'));
  old.stream.end();
  assert.equal((await done).error, undefined);
  await until('the old session is gone', () => pool.sessionCount === 1);
});

test('retire() also replaces a session that is still being created', async () => {
  await using server = await listenHbone((request) => void hold(request.accept()));
  await using pool = createHbonePool<string>(environment);
  let contexts = 0;
  const target = targetOf(server.port, 'a');
  const counting = {
    ...target,
    secureContext: () => {
      contexts += 1;
      return target.secureContext();
    },
  };
  const request = pool.openTunnel(counting, opening);
  pool.retire(() => true);
  await request;
  assert.equal(contexts, 2);
});

test('cut() ends the sessions to matching peers with their tunnels, and nobody else', async () => {
  await using server = await listenHbone((request) => void hold(request.accept()));
  await using silent = await listen(() => {});
  await using pool = createHbonePool<string>(environment);
  const to = (key: string, peer: string): Promise<OpenedTunnel<string>> =>
    pool.openTunnel({ ...targetOf(server.port, key), verifyPeer: () => peer }, opening);
  const [revoked, other] = [await to('a', 'revoked'), await to('b', 'other')];
  const done = hold(revoked.stream);
  const waiting = assert.rejects(pool.openTunnel(targetOf(silent.port, 'c'), opening), { code: 'draining' });
  assert.equal(
    pool.cut((peer) => peer === 'revoked', 'certificate revoked'),
    1,
  );
  const { error } = await done;
  assert.deepEqual([error?.code, error?.data['reason']], ['cut', 'certificate revoked']);
  await until('the session is gone', () => pool.sessionCount === 1);
  assert.equal(pool.streamCount, 1);
  other.stream.reset();
  await pool[Symbol.asyncDispose]();
  await waiting;
});

test('drain() refuses new tunnels and waits for the last one', async () => {
  await using server = await listenHbone((request) => void hold(request.accept()));
  const pool = createHbonePool<string>(environment);
  const { stream } = await pool.openTunnel(targetOf(server.port), opening);
  let drained = false;
  const draining = pool.drain().then(() => {
    drained = true;
  });
  await assert.rejects(pool.openTunnel(targetOf(server.port), opening), { code: 'draining' });
  assert.equal(drained, false);
  stream.reset();
  await draining;
  assert.equal(pool.sessionCount, 0);
  await pool.drain();
  await pool[Symbol.asyncDispose]();
});
