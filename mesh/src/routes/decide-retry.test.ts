import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttemptOutcome, decideRetry, type RetryDecision, type RetryFacts } from './decide-retry.ts';
import { decideTimeouts, parseGrpcTimeoutMs } from './decide-timeouts.ts';
import type { RetryPolicy } from './rule.ts';

const POLICY: RetryPolicy = { codes: [500, 503], attempts: 3, backoffMs: 100 };
const NO_CODES: RetryPolicy = { codes: [], attempts: null, backoffMs: null };
const status = (code: number): AttemptOutcome => ({ kind: 'status', code });
const NOT_SENT: AttemptOutcome = { kind: 'not-sent' };
const BROKEN: AttemptOutcome = { kind: 'broken' };
const FACTS: RetryFacts = {
  outcome: status(503),
  retries: 0,
  replayable: true,
  idempotent: true,
  remainingMs: null,
};
const retry = (waitMs: number): RetryDecision => ({ kind: 'retry', waitMs });
const giveUp = (reason: Extract<RetryDecision, { kind: 'give-up' }>['reason']): RetryDecision => ({
  kind: 'give-up',
  reason,
});

test('decideRetry() repeats what a policy names, or what was not sent', () => {
  const table: readonly (readonly [
    what: string,
    policy: RetryPolicy | null,
    facts: Partial<RetryFacts>,
    expected: RetryDecision,
  ])[] = [
    ['a code that is named', POLICY, {}, retry(100)],
    ['one that is not', POLICY, { outcome: status(502) }, giveUp('not-retriable')],
    ['without a policy', null, {}, giveUp('not-retriable')],
    ['the second time it waits twice as long', POLICY, { retries: 1 }, retry(200)],
    ['the third time four times', POLICY, { retries: 2 }, retry(400)],
    ['not more often than said', POLICY, { retries: 3 }, giveUp('attempts-used')],
    ['a body that is gone', POLICY, { replayable: false }, giveUp('not-replayable')],
    ['no time left for the wait', POLICY, { remainingMs: 100 }, giveUp('out-of-time')],
    ['time enough', POLICY, { remainingMs: 101 }, retry(100)],
    ['not sent, no policy: at once', null, { outcome: NOT_SENT, replayable: false, idempotent: false }, retry(0)],
    ['not sent, twice', null, { outcome: NOT_SENT, retries: 2 }, giveUp('attempts-used')],
    ['not sent, with a backoff', POLICY, { outcome: NOT_SENT }, retry(100)],
    ['broken without a policy', null, { outcome: BROKEN }, giveUp('not-retriable')],
    ['broken with one', NO_CODES, { outcome: BROKEN }, retry(25)],
    ['a POST that broke', NO_CODES, { outcome: BROKEN, idempotent: false }, giveUp('not-retriable')],
    ['a POST whose codes are named', POLICY, { outcome: BROKEN, idempotent: false }, retry(100)],
    ['a timeout', NO_CODES, { outcome: { kind: 'timeout' } }, retry(25)],
  ];
  for (const [what, policy, facts, expected] of table) {
    assert.deepEqual(decideRetry(policy, { ...FACTS, ...facts }, 0), expected, what);
  }
});

test('decideRetry() waits at least as long as said, and at most half as long again', () => {
  const waits = [0, 0.5, 0.999_999].map((draw) => decideRetry(POLICY, FACTS, draw));
  assert.deepEqual(waits, [retry(100), retry(125), retry(150)]);
  assert.deepEqual(decideRetry({ ...POLICY, attempts: 25 }, { ...FACTS, retries: 20 }, 0), retry(1000));
});

test('decideTimeouts() takes the shorter of what rule and client say', () => {
  const table: readonly (readonly [
    requestMs: number | null,
    backendMs: number | null,
    grpc: string | null,
    expected: readonly (number | null)[],
  ])[] = [
    [null, null, null, [null, null]],
    [1000, null, null, [1000, 1000]],
    [1000, 200, null, [1000, 200]],
    [0, 200, null, [null, 200]],
    [1000, 0, null, [1000, 1000]],
    [0, 0, null, [null, null]],
    [null, null, '2S', [2000, 2000]],
    [1000, 500, '2S', [1000, 500]],
    [1000, 500, '100m', [100, 100]],
    [1000, null, 'soon', [1000, 1000]],
  ];
  for (const [requestMs, backendRequestMs, grpc, [request, attempt]] of table) {
    const expected = { requestMs: request, attemptMs: attempt };
    assert.deepEqual(decideTimeouts({ requestMs, backendRequestMs }, grpc), expected);
  }
});

test('parseGrpcTimeoutMs() reads every unit', () => {
  const table: Readonly<Record<string, number | null>> = {
    '1H': 3_600_000,
    '1M': 60_000,
    '1S': 1000,
    '1m': 1,
    '1u': 1,
    '1n': 1,
    '2500u': 3,
    '0S': 0,
    '99999999H': 359_999_996_400_000,
    '100000000S': null,
    '': null,
    S: null,
    '1': null,
    '-1S': null,
    '1.5S': null,
    '1s': null,
  };
  for (const [text, expected] of Object.entries(table)) assert.equal(parseGrpcTimeoutMs(text), expected, text);
});
