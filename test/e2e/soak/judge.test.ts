import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Holdings } from './holdings.ts';
import { judgeSoak, MUSTS, type SoakFacts, soakTable } from './judge.ts';

const MIB = 2 ** 20;
const held = (more: Partial<Holdings> = {}): Holdings => ({
  name: 'waypoint',
  objectBytes: 20 * MIB,
  codeBytes: 5 * MIB,
  residentBytes: 90 * MIB,
  descriptors: 40,
  ...more,
});
const facts = (more: Partial<SoakFacts> = {}): SoakFacts => ({
  minutes: 10,
  rps: 2000,
  sent: 1_200_000,
  failed: 0,
  cutStreams: 0,
  events: 2000,
  certificates: 80,
  replacedPods: 20,
  lateMs: 2,
  before: [held()],
  after: [held()],
  ...more,
});

const CASES: readonly (readonly [string, Partial<SoakFacts>, readonly string[]])[] = [
  ['all is as before', {}, []],
  ['less is held', { after: [held({ objectBytes: 19 * MIB, descriptors: 38 })] }, []],
  ['a little more is held', { after: [held({ objectBytes: 20.3 * MIB })] }, []],
  [
    '1 % more per 1,000',
    { after: [held({ objectBytes: 20.4 * MIB })] },
    ['waypoint holds 1.00 % more with every 1,000 events'],
  ],
  ['RSS and compiled code alone grew', { after: [held({ residentBytes: 120 * MIB, codeBytes: 6 * MIB })] }, []],
  ['a descriptor stays', { after: [held({ descriptors: 41 })] }, ['waypoint has 40, then 41 descriptors']],
  ['a request failed', { failed: 1 }, ['1 of 1200000 requests and messages failed']],
  ['a stream was cut', { cutStreams: 2 }, ['2 streams were cut']],
  ['no event happened', { events: 0 }, ['nothing happened: events is 0']],
  ['no certificate was renewed', { certificates: 0 }, ['nothing happened: certificates is 0']],
  ['no pod was replaced', { replacedPods: 0 }, ['nothing happened: replacedPods is 0']],
  ['no process was looked at', { after: [] }, ['nothing was measured']],
  [
    'what is held is not known',
    { after: [held({ objectBytes: Number.NaN })] },
    ['waypoint holds NaN % more with every 1,000 events'],
  ],
];
for (const [name, more, expected] of CASES) {
  test(`judgeSoak() when ${name}`, () => assert.deepEqual(judgeSoak(facts(more)).broken, expected));
}

test('judgeSoak() judges nobody who was not measured before', () => {
  assert.throws(
    () => judgeSoak(facts({ after: [held({ name: 'controller' })] })),
    /controller was not measured before/,
  );
});

test('judgeSoak() allows what its limits say', () => {
  const grown = facts({ after: [held({ objectBytes: 21 * MIB, descriptors: 44 })] });
  assert.deepEqual(judgeSoak(grown, { growthPer1000: 3, moreDescriptors: 4 }).broken, []);
  assert.equal(judgeSoak(grown, { ...MUSTS, moreDescriptors: 3 }).broken.length, 2);
});

test('soakTable() has a row for each process', () => {
  const table = soakTable(judgeSoak(facts({ after: [held({ objectBytes: 20.2 * MIB })] })));
  assert.match(table, /\| waypoint \| 20 -> 20.2 \| 0.5 % \| 5 -> 5 \| 90 -> 90 \| 40 -> 40 \|$/);
});
