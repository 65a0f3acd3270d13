import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideNextMessage, type MessageSituation, type NextMessage, type ToldPod } from './decide-next-message.ts';

const pods = (
  entries: Readonly<Record<string, string>>,
  serviceAccount = 'sa',
): MessageSituation<string>['announced'] =>
  new Map(Object.entries(entries).map(([uid, netns]) => [uid, { netns, names: { serviceAccount } }]));
const told = (entries: Readonly<Record<string, string | [string, number]>>): ReadonlyMap<string, ToldPod<string>> =>
  new Map(
    Object.entries(entries).map(([uid, value]) => {
      const [netns, askAgainAtMs] = typeof value === 'string' ? [value, null] : value;
      return [uid, { netns, serviceAccount: 'sa', askAgainAtMs }];
    }),
  );

const live = { isLatest: true, snapshotSent: true, nowMs: 100 };
const fresh = { isLatest: true, snapshotSent: false, nowMs: 100 };

const cases: readonly (readonly [string, MessageSituation<string>, NextMessage])[] = [
  ['announces what was not told', { ...fresh, announced: pods({ a: '1' }), told: told({}) }, { kind: 'add', uid: 'a' }],
  [
    'ends the snapshot when all is told',
    { ...fresh, announced: pods({ a: '1' }), told: told({ a: '1' }) },
    { kind: 'snapshot-sent' },
  ],
  ['ends an empty snapshot', { ...fresh, announced: pods({}), told: told({}) }, { kind: 'snapshot-sent' }],
  [
    'ends the snapshot although a pod was refused, and does not ask again before',
    { ...fresh, announced: pods({ a: '1' }), told: told({ a: ['1', 50] }) },
    { kind: 'snapshot-sent' },
  ],
  [
    'waits when all is told',
    { ...live, announced: pods({ a: '1' }), told: told({ a: '1' }) },
    { kind: 'wait', untilMs: null },
  ],
  [
    'waits for the earliest of refused pods',
    { ...live, announced: pods({ a: '1', b: '2' }), told: told({ a: ['1', 300], b: ['2', 200] }) },
    { kind: 'wait', untilMs: 200 },
  ],
  [
    'asks again when it is time',
    { ...live, announced: pods({ a: '1' }), told: told({ a: ['1', 100] }) },
    { kind: 'add', uid: 'a' },
  ],
  [
    'adds a pod again whose namespace is another one now',
    { ...live, announced: pods({ a: '2' }), told: told({ a: '1' }) },
    { kind: 'add', uid: 'a' },
  ],
  [
    'adds a pod again whose service account is another one now',
    { ...live, announced: pods({ a: '1' }, 'other'), told: told({ a: '1' }) },
    { kind: 'add', uid: 'a' },
  ],
  [
    'deletes before it adds',
    { ...live, announced: pods({ a: '1' }), told: told({ b: '1' }) },
    { kind: 'delete', uid: 'b' },
  ],
  [
    'tells an older node agent of deletions',
    { ...live, isLatest: false, announced: pods({}), told: told({ a: '1' }) },
    { kind: 'delete', uid: 'a' },
  ],
  [
    'gives an older node agent no pods',
    { ...live, isLatest: false, announced: pods({ a: '1', b: '2' }), told: told({ a: ['1', 50] }) },
    { kind: 'wait', untilMs: null },
  ],
];

for (const [behaviour, situation, expected] of cases) {
  test(`decideNextMessage() ${behaviour}`, () => assert.deepEqual(decideNextMessage(situation), expected));
}
