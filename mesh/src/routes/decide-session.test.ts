import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAesSeal, deriveSessionKey } from './aes-seal.ts';
import {
  decideSessionAnswer,
  readSession,
  type Session,
  type SessionAnswer,
  sessionHeader,
  sessionName,
} from './decide-session.ts';
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
  secure: false,
  nowMs: 1_000_000,
};

/** The token in an answer, and the answer without it. */
function answer(fields: Partial<SessionAnswer> = {}): { readonly token: string; readonly rest: string } {
  const header = decideSessionAnswer({ ...BASE, ...fields }, SEAL);
  const token = /[A-Za-z0-9_-]{60,}/.exec(header?.value ?? '')?.[0] ?? '';
  return { token, rest: header === null ? '' : `${header.name}: ${header.value.replace(token || 'none', 'TOKEN')}` };
}

const bound = (token: string, isCurrent = true): Session => ({
  ...{ kind: 'bound', target: TARGET, beganMs: 1_000_000, token, isCurrent },
});
const unreadable: Session = { kind: 'refused', reason: 'unreadable' };

test('a session begins with a cookie or header, and goes on without another', () => {
  const permanent = { ...COOKIE, absoluteTimeoutMs: 3_600_000, permanent: true };
  const moved: Session = {
    ...{ kind: 'bound', target: { ...TARGET, endpoint: 'gone' }, beganMs: 400_000, token: 'before', isCurrent: true },
  };
  const cookie = 'set-cookie: cart=TOKEN; Path=/; HttpOnly; SameSite=Strict';
  const table: readonly (readonly [what: string, fields: Partial<SessionAnswer>, expected: string])[] = [
    ['a cookie', {}, cookie],
    ['by TLS', { secure: true }, `${cookie}; Secure`],
    ['one that lasts', { policy: permanent }, `${cookie}; Max-Age=3600`],
    ['one that ends with the client', { policy: { ...permanent, permanent: false } }, cookie],
    ['a header', { policy: HEADER }, 'x-session: TOKEN'],
    ['the same endpoint again', { session: bound('before') }, ''],
    ['the same endpoint again, in a header', { policy: HEADER, session: bound('before') }, 'x-session: before'],
    ['sealed with a key of before', { session: bound('before', false) }, cookie],
    [
      'sealed with a key of before, in a header',
      { policy: HEADER, session: bound('before', false) },
      'x-session: TOKEN',
    ],
    [
      'another endpoint: the session moves and keeps its age',
      { policy: permanent, session: moved },
      `${cookie}; Max-Age=3000`,
    ],
    ['another backend', { session: bound('before'), target: { ...TARGET, backend: 'shop/web:81' } }, cookie],
    ['one that does not count', { session: unreadable }, cookie],
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
    ['its cookie', read(`a=b; cart=${token}`), bound(token)],
    ['lines that were joined', read(`a=b, cart=${token} , c=d`), bound(token)],
    ['in the value of another', read(`a=cart=${token}`), { kind: 'none' }],
    ['beside others of its name', read(`cart=;cart=nonsense;\tcart=1; cart=${token}`), bound(token)],
    ['behind too many of its name', read(`${'cart=1;'.repeat(4)}cart=${token}`), unreadable],
    ['too long', read(`cart=${'A'.repeat(100_000)}`), unreadable],
    ['nonsense', read('cart=nonsense'), unreadable],
    ['empty', read('cart='), unreadable],
    ['cut', read(`cart=${token.slice(0, -1)}`), unreadable],
    ['changed', read(`cart=${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`), unreadable],
    ['of another rule', read(`cart=${other}`), unreadable],
    ['in time', read(`cart=${token}`, limited, 1_000_999), bound(token)],
    ['too old', read(`cart=${token}`, limited, 1_001_000), { kind: 'refused', reason: 'expired' }],
    ['a header', read(` ${token} `, HEADER), bound(token)],
    ['a header of several lines', read(`${token}, ${token}`, HEADER), unreadable],
  ];
  for (const [what, found, expected] of table) assert.deepEqual(found, expected, what);
});

test('a token says nothing to who has no key, and no two are alike', () => {
  const first = answer().token;
  const second = answer().token;
  assert.notEqual(first, second);
  assert.ok(!Buffer.from(first, 'base64url').toString('latin1').includes('web'));
  const rotated = createAesSeal([new Uint8Array(32).fill(2), KEY]);
  assert.deepEqual(readSession(COOKIE, RULE, `cart=${first}`, rotated, 0), bound(first, false));
  const later = createAesSeal([new Uint8Array(32).fill(2)]);
  assert.deepEqual(readSession(COOKIE, RULE, `cart=${first}`, later, 0), unreadable);
  assert.throws(() => createAesSeal([]), /needs a key/);
  assert.throws(() => createAesSeal([KEY, new Uint8Array(16)]), /needs keys of 32 bytes/);
});

test('keys and tokens are what another implementation makes of the same', () => {
  const key = deriveSessionKey(
    Uint8Array.from({ length: 32 }, (_, index) => index),
    'shop/waypoint',
  );
  assert.equal(Buffer.from(key).toString('hex'), 'f69b05089b58ebe52d04e9a3dd8cdccd9045392e98f758d86303652e95c3d7ba');
  const token =
    'SwABAgMEBQYHCAkKC9vT4GcXo5xiNN--oGjj5-DSEufg7owsicNE2K-soBbiv5pMdZ7Xm725PGNMztpcKhTUZx5jZc2sXcEixpXqXJvVJdk';
  assert.deepEqual(readSession(COOKIE, RULE, `cart=${token}`, createAesSeal([key]), 0), bound(token));
});

test('deriveSessionKey() gives each holder a key of its own', () => {
  const keys = ['shop/a', 'shop/b'].flatMap((holder) =>
    [KEY, new Uint8Array(32)].map((one) => deriveSessionKey(one, holder)),
  );
  assert.equal(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size, 4);
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
  assert.deepEqual([sessionHeader(COOKIE, RULE), sessionHeader(HEADER, RULE)], ['cookie', 'x-session']);
});
