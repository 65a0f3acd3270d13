import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRevocationFile } from '@ambit/mesh/tls';
import { createAuthority } from '../authority.ts';
import {
  updateRevocations,
  formatRevoked,
  parseRevoked,
  REVOKED_IN_SECRET_MAX,
  type RevokedInSecret,
} from './revocations-in-secret.ts';

const DAY_MS = 24 * 3_600_000;
const NOW_MS = 1_800_000_000_000;
const signer = createAuthority({ commonName: 'intermediate', validityMs: DAY_MS, pathLength: 0 }, undefined, NOW_MS);
const entry = (serial: string, endsInMs = 0): { serial: string; notAfterMs: number } => ({
  serial,
  notAfterMs: NOW_MS + endsInMs,
});

type Row = readonly [
  what: string,
  before: RevokedInSecret | null,
  added: string | null,
  after: readonly string[] | null,
];
const listed = (serials: readonly string[], ageMs = 0, endsInMs = 0): RevokedInSecret => ({
  number: 7,
  listedMs: NOW_MS - ageMs,
  entries: serials.map((serial) => entry(serial, endsInMs)),
});

const ROWS: readonly Row[] = [
  ['nothing was ever revoked', null, null, null],
  ['the first', null, 'aa', ['aa']],
  ['another', listed(['aa']), 'bb', ['aa', 'bb']],
  ['the same again', listed(['aa']), 'aa', null],
  ['a list that will do', listed(['aa'], 3.4 * DAY_MS), null, null],
  ['a list at half of its life', listed(['aa'], 3.5 * DAY_MS), null, ['aa']],
  ['an entry that has ended within a day', listed(['aa'], 0, -DAY_MS), null, null],
  ['an entry that ended before', listed(['aa'], 0, -DAY_MS - 1), null, []],
  ['one that ended and one that is new', listed(['aa'], 0, -2 * DAY_MS), 'bb', ['bb']],
  ['nothing left, and nothing new', listed([], 100 * DAY_MS), null, null],
];

for (const [what, before, added, after] of ROWS) {
  test(`updateRevocations(): ${what}`, () => {
    const revoked = before === null ? [] : [['revoked', formatRevoked(before)] as const];
    const list = before?.entries.length ? [['ca-crl.pem', 'the one of before'] as const] : [];
    const texts = new Map([['tls.crt', 'C'], ...revoked, ...list]);
    const decided = updateRevocations(texts, signer, added === null ? null : entry(added), NOW_MS, 'the Secret');
    if (after === null) return assert.equal(decided, null);
    assert.equal(decided?.get('tls.crt'), 'C', 'what else is there stays');
    const now = parseRevoked(decided.get('revoked') ?? '', '');
    assert.deepEqual([now.number, now.listedMs], [(before?.number ?? 0) + 1, NOW_MS]);
    assert.deepEqual(
      now.entries.map(({ serial }) => serial),
      after,
    );
    const pem = decided.get('ca-crl.pem');
    if (after.length === 0) return assert.equal(pem, undefined);
    const [crl] = parseRevocationFile(Buffer.from(pem ?? ''));
    assert.deepEqual([crl?.entryCount, crl?.nextUpdateMs], [after.length, NOW_MS + 7 * DAY_MS]);
    assert.equal(Buffer.from(crl?.serials.bytes ?? []).toString('hex'), after.join(''));
  });
}

test('updateRevocations() makes a list again that somebody removed, and leaves one alone that it did not make', () => {
  const texts = new Map([['revoked', formatRevoked(listed(['aa']))]]);
  assert.ok(updateRevocations(texts, signer, null, NOW_MS, '')?.has('ca-crl.pem'));
  assert.equal(updateRevocations(new Map([['ca-crl.pem', 'theirs']]), signer, null, NOW_MS, ''), null);
});

test('updateRevocations() refuses more than a ConfigMap takes, and entries that cannot be read', () => {
  const many = Array.from({ length: REVOKED_IN_SECRET_MAX }, (_, index) => index.toString(16).padStart(4, '0'));
  const texts = new Map([
    ['revoked', formatRevoked(listed(many))],
    ['ca-crl.pem', ''],
  ]);
  assert.throws(() => updateRevocations(texts, signer, entry('ffff'), NOW_MS, ''), { code: 'too-many-revoked' });
  for (const text of ['aa 1\n', 'list 1 1\nAA 1\n', 'list 1 1\naa\n', 'list 1 1\n\naa 1\n', 'list -1 1\n'])
    assert.throws(() => parseRevoked(text, 'here'), { code: 'authority-unusable' }, JSON.stringify(text));
});
