import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anyRequests, anyResponses, mutated } from '../testing/http1-corpus.ts';
import { randomOf } from '../testing/random.ts';
import type { MessageHead } from './head.ts';
import { DEFAULT_LIMITS, type Http1Limits } from './limits.ts';
import type { MessageReader } from './message-reader.ts';
import { RequestReader } from './request-reader.ts';
import { ResponseReader } from './response-reader.ts';

const SEED = 20261126;
const RUNS = 20_000;
const NARROW: Http1Limits = { ...DEFAULT_LIMITS, headMaxBytes: 200, fieldCountMax: 6, trailersMaxBytes: 30 };

type Random = () => number;

/** A message broken in many places, or nothing but noise. */
function inputOf(random: Random, message: Buffer): Buffer {
  if (random() < 0.8) return mutated(random, message, Math.floor(random() * 12));
  return Buffer.from(Array.from({ length: 1 + Math.floor(random() * 300) }, () => Math.floor(random() * 256)));
}

/** Feeds pieces; every step must make progress and stay within what it was given. */
function feed(random: Random, reader: MessageReader<MessageHead>, input: Buffer): void {
  let steps = 0;
  for (let from = 0; from < input.length; ) {
    const end = Math.min(input.length, from + 1 + Math.floor(random() * 80));
    for (let at = from, step = ''; step !== 'more'; at = reader.at) {
      step = reader.read(input, at, end);
      steps += 1;
      assert.ok(reader.at >= at && reader.at <= end);
      if (step === 'data')
        assert.ok(reader.dataStart >= at && reader.dataEnd > reader.dataStart && reader.dataEnd <= end);
      if (step === 'fault') {
        assert.ok(reader.fault !== undefined && reader.fault.offset >= 0);
        assert.equal(reader.finish(), 'fault');
        return;
      }
    }
    from = end;
  }
  assert.ok(steps <= 4 * input.length + 4);
  assert.ok(['idle', 'end', 'fault'].includes(reader.finish()));
}

test(`${RUNS} inputs lead RequestReader to a message or a fault`, () => {
  for (let i = 0; i < RUNS; i += 1) {
    const random = randomOf(SEED + i);
    feed(random, new RequestReader(i % 2 === 0 ? undefined : NARROW), inputOf(random, anyRequests(random)));
  }
});

test(`${RUNS} inputs lead ResponseReader to a message or a fault`, () => {
  for (let i = 0; i < RUNS; i += 1) {
    const random = randomOf(SEED - i);
    const reader = new ResponseReader(i % 2 === 0 ? undefined : NARROW);
    reader.expectResponse({ method: random() < 0.2 ? 'HEAD' : 'GET', upgrade: random() < 0.1 });
    feed(random, reader, inputOf(random, anyResponses(random).bytes));
  }
});
