import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decideSessionSecret,
  SESSION_SECRET_LIFE_MS,
  SESSION_SECRET_NOTICE_MS,
  type SessionSecret,
  secretsInUse,
} from './decide-session-secret.ts';

const [A, B, C] = [1, 2, 3].map((byte) => Uint8Array.of(byte)) as [Uint8Array, Uint8Array, Uint8Array];
const kept = (fields: Partial<SessionSecret>): SessionSecret => ({
  ...{ current: A, next: null, previous: null, sinceMs: 1000 },
  ...fields,
});
const LIFE = 1000 + SESSION_SECRET_LIFE_MS;
const NOTICE = 1000 + SESSION_SECRET_NOTICE_MS;

for (const [what, before, nowMs, after] of [
  ['makes the first one', null, 5, kept({ current: C, sinceMs: 5 })],
  ['keeps it for its life', kept({}), LIFE - 1, null],
  ['announces another after that', kept({}), LIFE, kept({ next: C, sinceMs: LIFE })],
  ['keeps the one of before meanwhile', kept({ previous: B }), LIFE, kept({ next: C, previous: B, sinceMs: LIFE })],
  ['waits until everybody has it', kept({ next: B }), NOTICE - 1, null],
  ['lets it take over', kept({ next: B, previous: C }), NOTICE, kept({ current: B, previous: A, sinceMs: NOTICE })],
  ['waits when the clock went back', kept({}), 0, null],
] as const) {
  test(`decideSessionSecret() ${what}`, () =>
    assert.deepEqual(
      decideSessionSecret(before, nowMs, () => C),
      after,
    ));
}

test('secretsInUse() has first what seals, and all that open', () => {
  assert.deepEqual(secretsInUse(kept({})), [A]);
  assert.deepEqual(secretsInUse(kept({ next: B })), [A, B]);
  assert.deepEqual(secretsInUse(kept({ next: B, previous: C })), [A, B, C]);
});
