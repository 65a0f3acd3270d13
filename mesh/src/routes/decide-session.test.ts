import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAesSeal } from './aes-seal.ts';
import { decideSessionAnswer, readSession, type Session, type SessionAnswer, sessionName } from './decide-session.ts';
import type { SessionPolicy } from './rule.ts';

const KEY = new Uint8Array(32).fill(1);
const SEAL = createAesSeal([KEY]);
const RULE = { routeKey: 'shop/r', index: 0, name: null };
const COOKIE: SessionPolicy = { kind: 'cookie', name: 'cart', absoluteTimeoutMs: null, permanent: false };
const HEADER: SessionPolicy = { kind: 'header', name: 'X-Session', absoluteTimeoutMs: null, permanent: false };
const TARGET = { backend: 'shop/web:80', endpoint: 'cluster//Pod/shop/web-1' };
const BASE: SessionAnswer = {
  policy: COOKIE,
  rule: RULE,
  session: { kind: 'none' },
  target: TARGET,
  matched: '/cart',
  secure: false,
  nowMs: 1_000_000,
};

/** The token in an answer, and the answer without it. */
function answer(fields: Partial<SessionAnswer> = {}): { readonly token: string; readonly rest: string } {
  const header = decideSessionAnswer({ ...BASE, ...fields }, SEAL);
  const token = /[A-Za-z0-9_-]{60,}/.exec(header?.value ?? '')?.[0] ?? '';
  return { token, rest: header === null ? '' : `${header.name}: ${header.value.replace(token, 'TOKEN')}` };
}

const bound = (beganMs = 1_000_000): Session => ({ kind: 'bound', target: TARGET, beganMs });
const unreadable: Session = { kind: 'refused', reason: 'unreadable' };

test('a session begins with a cookie or header, and goes on without another', () => {
  const permanent = { ...COOKIE, absoluteTimeoutMs: 3_600_000, permanent: true };
  const table: readonly (readonly [what: string, fields: Partial<SessionAnswer>, expected: string])[] = [
    ['a cookie', {}, 'set-cookie: cart=TOKEN; Path=/cart; HttpOnly; SameSite=Strict'],
    ['by TLS', { secure: true }, 'set-cookie: cart=TOKEN; Path=/cart; HttpOnly; SameSite=Strict; Secure'],
    [
      'one that lasts',
      { policy: permanent },
      'set-cookie: cart=TOKEN; Path=/cart; HttpOnly; SameSite=Strict; Max-Age=3600',
    ],
    ['a path with parameters', { matched: '/a/b;v=1/c' }, 'set-cookie: cart=TOKEN; Path=/a; HttpOnly; SameSite=Strict'],
    ['a header', { policy: HEADER }, 'x-session: TOKEN'],
    ['the same endpoint again', { session: bound() }, ''],
    [
      'another endpoint: the session moves and keeps its age',
      {
        policy: permanent,
        session: { kind: 'bound', target: { ...TARGET, endpoint: 'gone' }, beganMs: 400_000 },
      },
      'set-cookie: cart=TOKEN; Path=/cart; HttpOnly; SameSite=Strict; Max-Age=3000',
    ],
    [
      'one that does not count',
      { session: unreadable },
      'set-cookie: cart=TOKEN; Path=/cart; HttpOnly; SameSite=Strict',
    ],
  ];
  for (const [what, fields, expected] of table) assert.equal(answer(fields).rest, expected, what);
});

test('readSession() finds the session that a client brings back', () => {
  const { token } = answer();
  const other = answer({ rule: { ...RULE, index: 1 } }).token;
  const read = (value: string | null, policy = COOKIE, nowMs = 2_000_000): Session =>
    readSession(policy, RULE, value, SEAL, nowMs);
  const limited = { ...COOKIE, absoluteTimeoutMs: 1000 };
  const table: readonly (readonly [what: string, found: Session, expected: Session])[] = [
    ['no cookies', read(null), { kind: 'none' }],
    ['other cookies', read(`a=b; cartoon=${token}; scart=${token}`), { kind: 'none' }],
    ['its cookie', read(`a=b; cart=${token}`), bound()],
    ['beside one of another path', read(`cart=nonsense;cart=${token}`), bound()],
    ['nonsense', read('cart=nonsense'), unreadable],
    ['empty', read('cart='), unreadable],
    ['cut', read(`cart=${token.slice(0, -1)}`), unreadable],
    ['changed', read(`cart=${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`), unreadable],
    ['of another rule', read(`cart=${other}`), unreadable],
    ['in time', read(`cart=${token}`, limited, 1_000_999), bound()],
    ['too old', read(`cart=${token}`, limited, 1_001_000), { kind: 'refused', reason: 'expired' }],
    ['a header', read(` ${answer({ policy: HEADER }).token} `, HEADER), bound()],
  ];
  for (const [what, found, expected] of table) assert.deepEqual(found, expected, what);
});

test('a token says nothing to who has no key, and no two are alike', () => {
  const first = answer().token;
  const second = answer().token;
  assert.notEqual(first, second);
  assert.ok(!Buffer.from(first, 'base64url').toString('latin1').includes('web'));
  const rotated = createAesSeal([new Uint8Array(32).fill(2), KEY]);
  assert.deepEqual(readSession(COOKIE, RULE, `cart=${first}`, rotated, 0), bound());
  const later = createAesSeal([new Uint8Array(32).fill(2)]);
  assert.deepEqual(readSession(COOKIE, RULE, `cart=${first}`, later, 0), unreadable);
  for (const keys of [[], [new Uint8Array(16)]]) assert.throws(() => createAesSeal(keys), /needs keys of 32 bytes/);
});

test('a token of a version that does not exist yet does not count', () => {
  for (const content of ['null', '[2,"a","b",0]', '[1,"a"]', '[1,"a","b","c"]', '[1,2,"b",0]']) {
    const token = SEAL.seal(content, 'shop/r/0');
    assert.deepEqual(readSession(HEADER, RULE, token, SEAL, 0), unreadable, content);
  }
});

test('sessionName() differs from rule to rule unless the policy says it', () => {
  const unnamed = { ...COOKIE, name: null };
  const names = [RULE, { ...RULE, index: 1 }, { ...RULE, name: 'a' }].map((rule) => sessionName(unnamed, rule));
  assert.equal(new Set(names).size, 3);
  for (const name of names) assert.match(name, /^ambit-session-[0-9a-f]{8}$/);
  assert.equal(sessionName({ ...HEADER, name: null }, RULE), 'x-ambit-session');
  assert.equal(sessionName(COOKIE, RULE), 'cart');
});
