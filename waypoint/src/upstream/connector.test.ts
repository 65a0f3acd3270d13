import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Carrier } from '@ambit/mesh/hbone';
import { ManualClock } from '@ambit/mesh/testing';
import { type Connector, openingWithin } from './connector.ts';

/** A connection that comes when it is told to, unless it is given up before. */
function connecting() {
  const clock = new ManualClock();
  const coming = Promise.withResolvers<Carrier>();
  const endpoint: Connector = {
    open: (signal) => {
      signal.addEventListener('abort', () => coming.reject(new Error('given up')), { once: true });
      return coming.promise;
    },
  };
  return { clock, coming, connector: openingWithin(1000, endpoint, clock) };
}

test('openingWithin() gives up a connection that takes too long, and no earlier', async () => {
  const { clock, connector } = connecting();
  let error: unknown;
  const opening = connector.open(new AbortController().signal).catch((cause: unknown) => (error = cause));
  await clock.advance(999);
  assert.equal(error, undefined);
  await clock.advance(1);
  await opening;
  assert.deepEqual(error, new Error('given up'));
});

test('openingWithin() leaves no timer behind a connection that comes, or that its caller gives up', async () => {
  const came = connecting();
  const opening = came.connector.open(new AbortController().signal);
  came.coming.resolve({} as Carrier);
  await opening;
  assert.equal(came.clock.pending, 0);

  const left = connecting();
  const stop = new AbortController();
  const given = left.connector.open(stop.signal);
  stop.abort();
  await assert.rejects(given, /given up/);
  assert.equal(left.clock.pending, 0);
});
