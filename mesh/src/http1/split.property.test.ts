import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { anyRequests, anyResponses, mutated } from '../testing/http1-corpus.ts';
import { cutAt, requestEvents, responseEvents } from '../testing/http1-steps.ts';
import { randomOf } from '../testing/random.ts';
import type { Http1Limits } from './limits.ts';

const SEED = 20261126;
const RUNS = 4000;
const GET = { method: 'GET', upgrade: false };

/** Small enough for generated messages to reach every one of them. */
const TIGHT: Http1Limits = {
  headMaxBytes: 160,
  fieldCountMax: 5,
  methodMaxBytes: 8,
  targetMaxBytes: 24,
  connectionOptionCountMax: 2,
  chunkLineMaxBytes: 12,
  chunkExtensionsMaxBytes: 16,
  trailersMaxBytes: 40,
  trailerCountMax: 2,
  interimCountMax: 1,
};

const seed = fc.integer({ min: 0, max: 2 ** 31 });
const cuts = fc.array(fc.nat(700), { maxLength: 12 });
const limits = fc.constantFrom(undefined, TIGHT);

test('RequestReader says the same however the bytes are cut', () => {
  fc.assert(
    fc.property(seed, cuts, fc.nat(2), limits, (from, positions, mutations, bounds) => {
      const random = randomOf(from);
      const input = mutated(random, anyRequests(random), mutations);
      const whole = requestEvents([input], bounds);
      assert.deepEqual(requestEvents(cutAt(input, positions), bounds), whole);
    }),
    { seed: SEED, numRuns: RUNS },
  );
});

test('ResponseReader says the same however the bytes are cut', () => {
  fc.assert(
    fc.property(seed, cuts, fc.nat(2), limits, (from, positions, mutations, bounds) => {
      const random = randomOf(from);
      const { bytes, requests } = anyResponses(random);
      const input = mutated(random, bytes, mutations);
      const asked = [...requests, GET];
      const whole = responseEvents([input], asked, bounds);
      assert.deepEqual(responseEvents(cutAt(input, positions), asked, bounds), whole);
    }),
    { seed: SEED, numRuns: RUNS },
  );
});

test('bytes that come one by one say the same as all of them at once', () => {
  for (let i = 0; i < 300; i += 1) {
    const random = randomOf(SEED + i);
    const input = mutated(random, anyRequests(random), i % 2);
    const single = Array.from(input, (_, at) => input.subarray(at, at + 1));
    assert.deepEqual(requestEvents(single), requestEvents([input]));
    const { bytes, requests } = anyResponses(random);
    const pieces = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
    assert.deepEqual(responseEvents(pieces, requests), responseEvents([bytes], requests));
  }
});

test('a head that comes byte by byte costs one look at each byte', () => {
  // Before every byte was looked at once, 64 KiB in single bytes took minutes.
  const input = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\na: ${'b'.repeat(65_000)}\r\n\r\n`);
  const pieces = Array.from(input, (_, at) => input.subarray(at, at + 1));
  assert.equal(requestEvents(pieces).at(-1), 'idle');
});
