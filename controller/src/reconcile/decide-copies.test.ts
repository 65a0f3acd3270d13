import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideCopies, type CopiesWorld } from './decide-copies.ts';

const ours = { text: 'ROOT', isOurs: true } as const;
const table: readonly (readonly [name: string, world: Partial<CopiesWorld>, apply: string[], remove: string[]])[] = [
  ['nothing wanted, nothing there', {}, [], []],
  ['a namespace without one gets it', { wanted: new Set(['shop', 'bank']) }, ['bank', 'shop'], []],
  ['what is right is left alone', { wanted: new Set(['shop']), present: new Map([['shop', ours]]) }, [], []],
  [
    'another root is replaced',
    { wanted: new Set(['shop']), present: new Map([['shop', { ...ours, text: 'OLD' }]]) },
    ['shop'],
    [],
  ],
  [
    'one that lost its content is repaired',
    { wanted: new Set(['shop']), present: new Map([['shop', { ...ours, text: null }]]) },
    ['shop'],
    [],
  ],
  [
    'one that lost its label is repaired, so that it can be removed later',
    { wanted: new Set(['shop']), present: new Map([['shop', { ...ours, isOurs: false }]]) },
    ['shop'],
    [],
  ],
  ['a namespace that left loses ours', { present: new Map([['shop', ours]]) }, [], ['shop']],
  ['one that is not ours stays', { present: new Map([['shop', { ...ours, isOurs: false }]]) }, [], []],
];

for (const [name, world, apply, remove] of table) {
  test(`decideCopies(): ${name}`, () => {
    const whole = { text: 'ROOT', wanted: new Set<string>(), present: new Map(), ...world };
    assert.deepEqual(decideCopies(whole), { apply, remove });
  });
}
