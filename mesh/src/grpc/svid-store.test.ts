import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SpiffeId } from '../model/spiffe-id.ts';
import { silentLogger } from '../runtime/logger.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createTestCa, testIdentity } from '../testing/test-ca.ts';
import type { Svid } from '../tls/svid.ts';
import { refreshAtMs } from './refresh-schedule.ts';
import { IDLE_SVIDS_MAX, SVID_REQUESTS_MAX, SvidStore, WALL_CLOCK_LOOK_MS } from './svid-store.ts';

const HOUR_MS = 3_600_000;
const ca = createTestCa({ nowMs: Date.UTC(2030, 0, 1) });
const web = testIdentity('shop', 'web');

/** A store over an authority that answers when the test says so. */
class StoreWorld {
  readonly clock = new ManualClock();
  readonly asked: SpiffeId[] = [];
  readonly published: SpiffeId[] = [];
  readonly forgotten: SpiffeId[] = [];
  failures = 0;
  /** What putting an SVID in force waits for. */
  publishing: Promise<void> | undefined;
  #answers: {
    readonly identity: SpiffeId;
    readonly resolve: (svid: Svid) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  readonly store = new SvidStore({
    clock: this.clock,
    logger: silentLogger,
    request: (identity, signal) => {
      this.asked.push(identity);
      return new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        this.#answers.push({ identity, resolve, reject });
      });
    },
    publish: async (identity) => {
      this.published.push(identity);
      await this.publishing;
    },
    forget: async (identity) => void this.forgotten.push(identity),
    onFailure: () => {
      this.failures++;
    },
    random: () => 0.5,
  });

  /** Requests that wait for an answer. */
  get waiting(): number {
    return this.#answers.length;
  }

  /** By an authority whose clock is `behindMs` behind ours. */
  async issue(lifeMs: number = 24 * HOUR_MS, behindMs = 0): Promise<void> {
    const answer = this.#answers.shift();
    const now = this.clock.now() - behindMs;
    if (answer !== undefined) answer.resolve(ca.issue(answer.identity, { notBeforeMs: now, notAfterMs: now + lifeMs }));
    await settle();
  }

  async fail(): Promise<void> {
    this.#answers.shift()?.reject(new Error('authority away'));
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('SvidStore', () => {
  test('asks once for an identity however many pods hold it, and keeps it idle after the last until it expires', async () => {
    const world = new StoreWorld();
    const holds = [world.store.hold(web), world.store.hold(web)];
    assert.deepEqual(world.store.status(), [{ identity: web, state: 'Initializing' }]);
    await world.issue();
    assert.deepEqual([world.asked, world.published], [[web], [web]]);
    assert.equal(world.store.status()[0]?.state, 'Available');
    holds[0]?.[Symbol.dispose]();
    holds[0]?.[Symbol.dispose]();
    assert.equal(world.store.status().length, 1);
    holds[1]?.[Symbol.dispose]();
    assert.deepEqual([world.store.status(), world.forgotten], [[], []]);
    await world.clock.advance(24 * HOUR_MS - 1);
    assert.deepEqual([world.asked.length, world.forgotten], [1, []]);
    await world.clock.advance(1);
    assert.deepEqual([world.forgotten, world.clock.pending], [[web], 0]);
    await world.store[Symbol.asyncDispose]();
  });

  test('renews by the wall clock: ten seconds after that has jumped past half of a life, or past its end', async () => {
    for (const jumpMs of [13 * HOUR_MS, 30 * HOUR_MS]) {
      const world = new StoreWorld();
      world.store.hold(web);
      await world.issue();
      world.clock.jump(jumpMs);
      await world.clock.advance(WALL_CLOCK_LOOK_MS);
      assert.equal(world.asked.length, 2);
      await world.issue();
      assert.equal(world.store.status()[0]?.state, 'Available');
      // Back again it has time.
      world.clock.jump(-jumpMs);
      await world.clock.advance(HOUR_MS);
      assert.equal(world.asked.length, 2);
      await world.store[Symbol.asyncDispose]();
      assert.equal(world.clock.pending, 0);
    }
  });

  test('renews in time though the wall clock has been set back', async () => {
    const world = new StoreWorld();
    world.store.hold(web);
    await world.issue();
    world.clock.jump(-20 * HOUR_MS);
    await world.clock.advance(13 * HOUR_MS);
    assert.equal(world.asked.length, 2);
    await world.store[Symbol.asyncDispose]();
  });

  test('asks more and more rarely for certificates that are old as they come, by a clock that is ahead', async () => {
    const world = new StoreWorld();
    world.store.hold(web);
    world.clock.jump(40 * HOUR_MS);
    for (let round = 0; round < 20; round++) {
      await world.issue(24 * HOUR_MS, 40 * HOUR_MS);
      await world.clock.advance(200_000);
    }
    // Not as often as it is answered.
    const asked = world.asked.length;
    assert.ok(asked <= 21, `${asked}`);
    assert.equal(world.store.status()[0]?.state, 'Unavailable: expired');
    world.clock.jump(-40 * HOUR_MS);
    assert.equal(world.store.status()[0]?.state, 'Available');
    await world.store[Symbol.asyncDispose]();
  });

  test('serves the next pod of an identity with what it kept, and renews that when it is due', async () => {
    const world = new StoreWorld();
    const first = world.store.hold(web);
    await world.issue();
    first[Symbol.dispose]();
    await world.clock.advance(6 * HOUR_MS);
    const second = world.store.hold(web);
    assert.equal(world.store.status()[0]?.state, 'Available');
    assert.equal(world.published.length, 1);
    const asked = world.asked.length;
    await world.clock.advance(6 * HOUR_MS);
    assert.equal(world.asked.length, asked + 1);
    // The pod goes while its successor certificate is on the way.
    second[Symbol.dispose]();
    await world.issue();
    assert.deepEqual([world.published, world.forgotten], [[web, web], []]);
    // Overdue, it is asked for as soon as somebody needs it.
    await world.clock.advance(20 * HOUR_MS);
    world.store.hold(web);
    await world.clock.advance(0);
    assert.equal(world.asked.length, asked + 2);
    await world.store[Symbol.asyncDispose]();
    assert.equal(world.clock.pending, 0);
  });

  test('goes on with the next pod though the last one went while its certificate was put in force', async () => {
    const world = new StoreWorld();
    const put = Promise.withResolvers<void>();
    world.publishing = put.promise;
    const first = world.store.hold(web);
    await world.issue();
    first[Symbol.dispose]();
    const second = world.store.hold(web);
    second[Symbol.dispose]();
    world.publishing = undefined;
    put.resolve();
    await settle();
    await world.clock.advance(25 * HOUR_MS);
    const asked = world.asked.length;
    world.store.hold(web);
    await world.clock.advance(0);
    assert.equal(world.asked.length, asked + 1);
    while (world.waiting > 0) await world.issue();
    assert.equal(world.store.status()[0]?.state, 'Available');
    await world.store[Symbol.asyncDispose]();
    assert.equal(world.clock.pending, 0);
  });

  test('keeps no more than its limit without a pod', async () => {
    const world = new StoreWorld();
    const identities = Array.from({ length: IDLE_SVIDS_MAX + 2 }, (_, i) => testIdentity('shop', `pod-${i}`));
    for (const identity of identities) {
      const hold = world.store.hold(identity);
      await world.issue();
      hold[Symbol.dispose]();
    }
    assert.deepEqual(world.forgotten, identities.slice(0, 2));
    await world.store[Symbol.asyncDispose]();
  });

  test('renews everything that is in use when it is told to, and lets go of the rest', async () => {
    const world = new StoreWorld();
    const other = testIdentity('shop', 'other');
    world.store.hold(web);
    await world.issue();
    const hold = world.store.hold(other);
    await world.issue();
    hold[Symbol.dispose]();
    world.store.renewAll();
    await world.clock.advance(0);
    await world.issue();
    assert.deepEqual([world.published, world.forgotten], [[web, other, web], [other]]);
    await world.store[Symbol.asyncDispose]();
  });

  test('asks at once, and once, for what waits since requests failed when it is told to, and for nothing else', async () => {
    const world = new StoreWorld();
    const other = testIdentity('shop', 'other');
    world.store.hold(other);
    await world.issue();
    world.store.hold(web);
    for (let attempt = 0; attempt < 10; attempt++) {
      await world.fail();
      await world.clock.advance(attempt < 9 ? 200_000 : 0);
    }
    const asked = world.asked.length;
    world.store.retryDelayed();
    world.store.retryDelayed();
    await world.clock.advance(0);
    assert.deepEqual(world.asked.slice(asked), [web]);
    // Under way: no second request beside it.
    world.store.retryDelayed();
    await world.clock.advance(0);
    assert.equal(world.asked.length, asked + 1);
    await world.fail();
    await world.clock.advance(100_000);
    assert.equal(world.asked.length, asked + 1, 'the next one waits as long as before');
    world.store.retryDelayed();
    await world.clock.advance(0);
    await world.issue();
    assert.deepEqual(world.published, [other, web]);
    const settledAsked = world.asked.length;
    world.store.retryDelayed();
    await world.clock.advance(0);
    assert.equal(world.asked.length, settledAsked);
    await world.store[Symbol.asyncDispose]();
    assert.equal(world.clock.pending, 0);
  });

  test('renews at half of the life', async () => {
    const world = new StoreWorld();
    world.store.hold(web);
    await world.issue(24 * HOUR_MS);
    await world.clock.advance(12 * HOUR_MS - 1);
    assert.equal(world.asked.length, 1);
    await world.clock.advance(1);
    assert.equal(world.asked.length, 2);
    await world.issue();
    assert.deepEqual(world.published, [web, web]);
    await world.store[Symbol.asyncDispose]();
  });

  test('retries with growing delays, keeps what it has until that expires, and says so', async () => {
    const world = new StoreWorld();
    world.store.hold(web);
    await world.fail();
    assert.deepEqual(world.store.status(), [{ identity: web, state: 'Unavailable: authority away' }]);
    for (const delayMs of [500, 1000, 2000, 4000]) {
      const before = world.asked.length;
      await world.clock.advance(delayMs - 1);
      assert.equal(world.asked.length, before);
      await world.clock.advance(1);
      assert.equal(world.asked.length, before + 1);
      await world.fail();
    }
    await world.clock.advance(8000);
    await world.issue(HOUR_MS);
    assert.equal(world.store.status()[0]?.state, 'Available');
    assert.equal(world.failures, 5);
    await world.clock.advance(HOUR_MS / 2);
    await world.fail();
    assert.equal(world.store.status()[0]?.state, 'Available');
    await world.clock.advance(HOUR_MS / 2);
    assert.equal(world.store.status()[0]?.state, 'Unavailable: expired');
    await world.store[Symbol.asyncDispose]();
  });

  test('never has more than eight requests under way, and serves pods without a certificate before renewals', async () => {
    const world = new StoreWorld();
    world.store.hold(web);
    await world.issue(HOUR_MS);
    const many = Array.from({ length: SVID_REQUESTS_MAX }, (_, i) => testIdentity('shop', `pod-${i}`));
    for (const identity of many) world.store.hold(identity);
    assert.equal(world.waiting, SVID_REQUESTS_MAX);
    await world.clock.advance(HOUR_MS / 2);
    const urgent = testIdentity('shop', 'urgent');
    world.store.hold(urgent);
    assert.equal(world.waiting, SVID_REQUESTS_MAX);
    await world.issue();
    assert.equal(world.asked.at(-1), urgent);
    await world.issue();
    assert.equal(world.asked.at(-1), web);
    await world.store[Symbol.asyncDispose]();
  });

  test('gives up requests for identities that are gone, and everything when it is closed', async () => {
    const world = new StoreWorld();
    const hold = world.store.hold(web);
    hold[Symbol.dispose]();
    await settle();
    world.store.hold(testIdentity('shop', 'other'));
    await world.store[Symbol.asyncDispose]();
    assert.deepEqual([world.published, world.failures, world.clock.pending], [[], 0, 0]);
  });
});

describe('refreshAtMs()', () => {
  const certificate = { notBeforeMs: 1000, notAfterMs: 2000 };
  for (const [random, nowMs, expected] of [
    [0.5, 1000, 1500],
    [0, 1000, 1450],
    [0.999999, 1000, 1550],
    [0.5, 1700, 1700],
    [0.5, 5000, 5000],
  ] as const) {
    test(`at ${nowMs} with ${random} is ${expected}`, () => {
      assert.equal(Math.round(refreshAtMs(certificate, nowMs, random)), expected);
    });
  }
});
