import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress } from '../model/address.ts';
import { HandshakeLimit } from './handshake-limit.ts';

const [a, b, c] = ['10.0.0.1', '10.0.0.2', 'fd00::1'].map(parseIpAddress);

test('HandshakeLimit bounds each source and all together, and makes room again', () => {
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  const limit = new HandshakeLimit({ pendingMax: 3, pendingPerSourceMax: 2 });
  assert.deepEqual([limit.enter(a), limit.enter(a), limit.enter(a)], [true, true, false]);
  assert.deepEqual([limit.enter(b), limit.enter(b), limit.enter(c)], [true, false, false]);
  limit.leave(a);
  assert.deepEqual([limit.enter(c), limit.enter(b), limit.pending], [true, false, 3]);
  for (const source of [a, b, c]) limit.leave(source);
  assert.deepEqual([limit.pending, limit.enter(a), limit.enter(a), limit.enter(a)], [0, true, true, false]);
});
