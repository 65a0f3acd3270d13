import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionKeys } from '../routes/session-keys.ts';
import { wireRefusal } from '../testing/wire-refusal.ts';
import { encodeSessionKeys } from './encode-session-keys.ts';
import { parseSessionKeys } from './session-keys-to-model.ts';

const keyOf = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);
const KEYS: SessionKeys = { gateway: 'shop/wp', keys: [keyOf(1), keyOf(2)] };

test('parseSessionKeys() gives what was encoded, and that encodes to the same bytes', () => {
  const resource = { ...encodeSessionKeys(KEYS), version: '1' };
  assert.equal(resource.name, 'shop/wp');
  assert.deepEqual(parseSessionKeys(resource), KEYS);
  assert.deepEqual({ ...encodeSessionKeys(parseSessionKeys(resource)), version: '1' }, resource);
});

test('parseSessionKeys() refuses what is not right, and says nothing of a key', () => {
  const refusalOf = (keys: readonly Uint8Array[]): string =>
    wireRefusal(() => parseSessionKeys({ ...encodeSessionKeys({ ...KEYS, keys }), version: '1' }));
  assert.equal(refusalOf([]), 'invalid-field session_keys.keys');
  assert.equal(refusalOf([keyOf(1), keyOf(65, 31)]), 'invalid-field session_keys.keys[1]');
  assert.equal(refusalOf(Array.from({ length: 4 }, () => keyOf(1))), 'over-limit session_keys.keys');
  const resource = { ...encodeSessionKeys({ ...KEYS, keys: [keyOf(65, 31)] }), version: '1' };
  assert.throws(
    () => parseSessionKeys(resource),
    ({ message }: Error) => !/AAA|65/.test(message),
  );
  const other = { ...encodeSessionKeys(KEYS), version: '1' };
  assert.equal(
    wireRefusal(() => parseSessionKeys({ ...other, name: 'shop/b' })),
    'invalid-field resource.name',
  );
  assert.equal(
    wireRefusal(() => parseSessionKeys({ ...other, typeUrl: 'x' })),
    'invalid-field resource.type_url',
  );
});
