import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { SessionWatch, WATCH_INTERVAL_MS, WATCH_MISSES_MAX } from './session-watch.ts';

/** A session that answers or not, and notes what is done to it. */
class FakeSession {
  readonly clock: ManualClock;
  state: 'open' | 'draining' | 'closed' = 'open';
  isUsed = true;
  isAlive = true;
  asked = 0;
  ended: string | undefined;

  constructor(clock: ManualClock) {
    this.clock = clock;
  }

  async askPeer(timeoutMs: number): Promise<boolean> {
    this.asked++;
    if (!this.isAlive) await this.clock.sleep(timeoutMs);
    return this.isAlive;
  }

  destroy({ code }: { readonly code: string }): void {
    this.state = 'closed';
    this.ended = code;
  }
}

const watched = (): { clock: ManualClock; session: FakeSession } => {
  const clock = new ManualClock();
  const session = new FakeSession(clock);
  const watch = new SessionWatch({ clock });
  watch.watch(session);
  watch.watch(session);
  return { clock, session };
};

test('a session that answers is asked once every interval, also while it drains', async () => {
  const { clock, session } = watched();
  await clock.advance(3 * WATCH_INTERVAL_MS);
  session.state = 'draining';
  await clock.advance(2 * WATCH_INTERVAL_MS);
  assert.deepEqual([session.asked, session.ended], [5, undefined]);
});

test('a session that is silent ends, no later than said', async () => {
  const { clock, session } = watched();
  session.isAlive = false;
  await clock.advance((1 + WATCH_MISSES_MAX) * WATCH_INTERVAL_MS);
  assert.deepEqual([session.asked, session.ended], [WATCH_MISSES_MAX, 'keepalive']);
});

test('an answer in between starts the count anew', async () => {
  const { clock, session } = watched();
  session.isAlive = false;
  await clock.advance(2 * WATCH_INTERVAL_MS - 1);
  session.isAlive = true;
  await clock.advance(1 + 3 * WATCH_INTERVAL_MS);
  assert.equal(session.ended, undefined);
});

test('a session that nothing is carried by is left alone, and watched again when there is something', async () => {
  const clock = new ManualClock();
  const session = new FakeSession(clock);
  const watch = new SessionWatch({ clock });
  watch.watch(session);
  session.isUsed = false;
  await clock.advance(2 * WATCH_INTERVAL_MS);
  assert.deepEqual([session.asked, clock.pending], [0, 0]);
  session.isUsed = true;
  watch.watch(session);
  await clock.advance(WATCH_INTERVAL_MS);
  assert.equal(session.asked, 1);
  session.state = 'closed';
  await clock.advance(2 * WATCH_INTERVAL_MS);
  assert.deepEqual([session.asked, clock.pending], [1, 0]);
});
