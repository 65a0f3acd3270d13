import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSentAgain } from './decide-retry.ts';

const BASE = { replayable: true, attempts: 1, attemptsMax: 3 };

for (const [name, facts, expected] of [
  ['what its server has not looked at', { lost: 'unseen', method: 'POST' }, true],
  ['what does no harm twice, from a connection that was used', { lost: 'reused', method: 'PUT' }, true],
  ['what may do harm twice', { lost: 'reused', method: 'POST' }, false],
  ['what a new connection was closed for', { lost: 'fresh', method: 'GET' }, false],
  ['what is not at hand any more', { lost: 'unseen', method: 'GET', replayable: false }, false],
  ['what was tried often enough', { lost: 'unseen', method: 'GET', attempts: 3 }, false],
] as const) {
  test(`isSentAgain(): ${name} is ${expected ? '' : 'not '}sent again`, () => {
    assert.equal(isSentAgain({ ...BASE, ...facts }), expected);
  });
}
