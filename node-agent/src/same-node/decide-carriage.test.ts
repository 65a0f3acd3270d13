import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANSWER_FRESH_MS, type Carriage, type CarriageFacts, decideCarriage } from './decide-carriage.ts';

const facts: CarriageFacts = {
  isDestinationHere: true,
  isSourceRead: false,
  session: { proof: 'here', answeredAgoMs: 0 },
};

const CASES: readonly (readonly [string, Partial<CarriageFacts>, Carriage])[] = [
  ['a proven session that has just answered', {}, 'shortcut'],
  [
    'one that answered as long ago as counts',
    { session: { proof: 'here', answeredAgoMs: ANSWER_FRESH_MS } },
    'shortcut',
  ],
  ['one that answered longer ago', { session: { proof: 'here', answeredAgoMs: ANSWER_FRESH_MS + 1 } }, 'ask'],
  ['one that never answered', { session: { proof: 'here', answeredAgoMs: Number.POSITIVE_INFINITY } }, 'ask'],
  ['a session nobody has looked at', { session: { proof: 'untried', answeredAgoMs: 0 } }, 'ask'],
  ['no session yet', { session: undefined }, 'ask'],
  ['a session that ends in another process', { session: { proof: 'elsewhere', answeredAgoMs: 0 } }, 'tunnel'],
  ['a pod that is not served here', { isDestinationHere: false }, 'tunnel'],
  ['a pod that is not served here, no session', { isDestinationHere: false, session: undefined }, 'tunnel'],
  ['a source of which something was read', { isSourceRead: true }, 'tunnel'],
];

for (const [name, given, expected] of CASES) {
  test(`decideCarriage(): ${name}: ${expected}`, () => {
    assert.equal(decideCarriage({ ...facts, ...given }), expected);
  });
}
