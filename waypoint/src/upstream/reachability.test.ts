import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Carrier } from '@ambit/mesh/hbone';
import { ManualClock } from '@ambit/mesh/testing';
import { AVOID_FIRST_MS, AVOID_MAX_MS, Reachability } from './reachability.ts';

const { signal } = new AbortController();

/** An endpoint whose connections end as they are told to, one after the other. */
function watched() {
  const clock = new ManualClock();
  const opening: PromiseWithResolvers<Carrier>[] = [];
  const reachability = new Reachability(clock);
  const connector = reachability.watch({
    open: () => {
      const next = Promise.withResolvers<Carrier>();
      opening.push(next);
      return next.promise;
    },
  });
  const open = () => {
    const opened = connector.open(signal).then(
      () => 'open',
      () => 'failed',
    );
    const { resolve, reject } = opening.at(-1) ?? assert.fail('not asked');
    return {
      come: () => (resolve({} as Carrier), opened),
      fail: () => (reject(new Error('refused')), opened),
    };
  };
  return { clock, reachability, open };
}

test('Reachability: an endpoint that could not be reached is avoided for a while', async () => {
  const { clock, reachability, open } = watched();
  assert.equal(reachability.avoided, false);
  assert.equal(await open().fail(), 'failed');
  assert.equal(reachability.avoided, true);
  await clock.advance(AVOID_FIRST_MS - 1);
  assert.equal(reachability.avoided, true);
  await clock.advance(1);
  assert.equal(reachability.avoided, false);
});

test('Reachability: after a while one connection tries, and the others wait for how it ends', async () => {
  const { clock, reachability, open } = watched();
  await open().fail();
  await clock.advance(AVOID_FIRST_MS);
  const trial = open();
  assert.equal(reachability.avoided, true);
  assert.equal(await trial.come(), 'open');
  assert.equal(reachability.avoided, false);
});

test('Reachability: connections that fail together count once, further ones double the time up to a bound', async () => {
  const { clock, reachability, open } = watched();
  const together = [open(), open(), open()];
  // Each resolves its own.
  for (const one of together) await one.fail();
  await clock.advance(AVOID_FIRST_MS);
  assert.equal(reachability.avoided, false);
  await open().fail();
  await clock.advance(2 * AVOID_FIRST_MS - 1);
  assert.equal(reachability.avoided, true);
  await clock.advance(1);
  assert.equal(reachability.avoided, false);
  for (let i = 0; i < 60; i += 1) {
    await open().fail();
    await clock.advance(AVOID_MAX_MS);
  }
  assert.equal(reachability.avoided, false);
});

test('Reachability: an endpoint that was reached is not avoided while further connections are opened', async () => {
  const { reachability, open } = watched();
  await open().come();
  open();
  assert.equal(reachability.avoided, false);
});
