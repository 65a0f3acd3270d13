import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAesSeal, createRememberingSeal } from './aes-seal.ts';
import type { OpenedToken, SessionSeal } from './session-seal.ts';

const keyOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

test('createAesSeal() opens what any of its keys sealed, for the context that it was sealed for', () => {
  const [before, now] = [createAesSeal([keyOf(1)]), createAesSeal([keyOf(2), keyOf(1)])];
  const [old, fresh] = [before.seal('é', 'a'), now.seal('é', 'a')];
  assert.deepEqual(now.open(old, 'a'), { text: 'é', isCurrent: false });
  assert.deepEqual(now.open(fresh, 'a'), { text: 'é', isCurrent: true });
  assert.equal(before.open(fresh, 'a'), null);
  assert.equal(now.open(fresh, 'b'), null);
  assert.match(fresh, /^[A-Za-z0-9_-]+$/);
});

test('createAesSeal() opens nothing that was changed, in whatever byte', () => {
  const seal = createAesSeal([keyOf(1)]);
  const bytes = Buffer.from(seal.seal('text', 'a'), 'base64url');
  for (let index = 0; index < bytes.length; index += 1) {
    const other = Buffer.from(bytes);
    other.writeUInt8(other.readUInt8(index) ^ 1, index);
    assert.equal(seal.open(other.toString('base64url'), 'a'), null, String(index));
  }
  const token = bytes.toString('base64url');
  for (const last of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_') {
    const other = token.slice(0, -1) + last;
    if (other !== token) assert.equal(seal.open(other, 'a'), null, other);
    assert.equal(seal.open(token + last, 'a'), null);
  }
  for (let length = 0; length < bytes.length; length += 1) {
    assert.equal(seal.open(bytes.subarray(0, length).toString('base64url'), 'a'), null, String(length));
  }
});

test('createRememberingSeal() opens a token once, as long as there are not too many', () => {
  let count = 0;
  const inner: SessionSeal = {
    seal: (text) => text,
    open: (token): OpenedToken | null => {
      count += 1;
      return token.startsWith('no') ? null : { text: token, isCurrent: true };
    },
  };
  const seal = createRememberingSeal(inner, 4);
  const opens = (...tokens: readonly string[]): number => {
    const before = count;
    for (const token of tokens) seal.open(token, 'a');
    return count - before;
  };
  assert.deepEqual(seal.open('1', 'a'), { text: '1', isCurrent: true });
  assert.deepEqual(seal.open('1', 'a'), { text: '1', isCurrent: true });
  assert.equal(seal.open('1', 'b'), null);
  assert.equal(count, 1);
  assert.equal(opens('no', 'no'), 2, 'what is no token takes no room');
  assert.equal(opens('2', '3', '1', '2', '3'), 2, 'those of before are known');
  assert.equal(opens('4', '5', '6', '7'), 4);
  assert.equal(opens('1'), 1, 'the oldest are forgotten');
  assert.equal(seal.seal('x', 'a'), 'x');
});
