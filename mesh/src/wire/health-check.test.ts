import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireError } from './errors.ts';
import {
  decodeHealthRequest,
  decodeHealthResponse,
  encodeHealthRequest,
  encodeHealthResponse,
} from './health-check.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('health check messages have the bytes of the protocol', () => {
  assert.deepEqual(
    [encodeHealthRequest(''), encodeHealthRequest('ab'), encodeHealthResponse(0), encodeHealthResponse(2)].map(hex),
    ['', '0a026162', '', '0802'],
  );
  assert.deepEqual([decodeHealthRequest(encodeHealthRequest('ab')), decodeHealthRequest(new Uint8Array())], ['ab', '']);
  assert.deepEqual([decodeHealthResponse(encodeHealthResponse(1)), decodeHealthResponse(new Uint8Array())], [1, 0]);
});

test('health check messages that are none are refused', () => {
  assert.throws(() => decodeHealthRequest(Buffer.from('0aff', 'hex')), WireError);
  assert.throws(() => decodeHealthRequest(encodeHealthRequest('x'.repeat(2000))), { code: 'over-limit' });
});
