import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BenchError } from '../errors.ts';
import { monotonicLeadMs, monotonicMs, parseTurnsResult } from './turns.ts';

const RESULT = { requests: 22_000, errors: 1, p50Us: 131.4, p99Us: 260, seconds: 3.0004 };

test('parseTurnsResult() reads what a program has measured', () => {
  assert.deepEqual(parseTurnsResult(JSON.stringify(RESULT)), RESULT);
  assert.deepEqual(parseTurnsResult(JSON.stringify({ ...RESULT, errors: 0, more: 1 })), { ...RESULT, errors: 0 });
});

test('parseTurnsResult() refuses a line without a figure', () => {
  const broken = [
    '',
    'null',
    '[]',
    'an error',
    JSON.stringify(RESULT).slice(0, -1),
    JSON.stringify({ ...RESULT, p50Us: undefined }),
    JSON.stringify({ ...RESULT, p99Us: '260' }),
    JSON.stringify({ ...RESULT, errors: -1 }),
    JSON.stringify({ ...RESULT, requests: 0 }),
    JSON.stringify({ ...RESULT, p50Us: -1 }),
    JSON.stringify({ ...RESULT, seconds: 0 }),
    JSON.stringify({ ...RESULT, seconds: Number.NaN }),
  ];
  for (const line of broken) {
    assert.throws(
      () => parseTurnsResult(line),
      (error) => error instanceof BenchError && error.code === 'unreadable-output',
      line,
    );
  }
});

test('parseTurnsResult() says so when no request came after the settling ones', () => {
  assert.throws(() => parseTurnsResult(JSON.stringify({ ...RESULT, p50Us: 0, p99Us: 0 })), {
    code: 'peer-failed',
    message: 'answers are too slow for turns',
  });
});

test('monotonicLeadMs() is what one clock is ahead of the other', () => {
  const offMs = monotonicMs() - (performance.now() + monotonicLeadMs());
  assert.ok(Math.abs(offMs) < 5, `${offMs} ms`);
});
