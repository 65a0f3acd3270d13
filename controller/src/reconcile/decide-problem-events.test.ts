import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectKey, ObjectProblem } from '@ambit/mesh/kinds';
import { decideProblemEvents, refusedObjects, type Told, toldKey } from './decide-problem-events.ts';

const BOUNDS = { repeatMs: 100, toldMax: 5, perNamespaceMax: 4, dueMax: 2 };

function problem(key: ObjectKey | undefined, severity: ObjectProblem['severity'] = 'error'): ObjectProblem {
  return { where: 'x', reason: 'wrong', severity, ...(key === undefined ? {} : { key }) };
}

test('decideProblemEvents tells of pods and namespaces, once in a while and not of too many at once', () => {
  const pod = (name: string): unknown => ({ kind: 'Pod', namespace: 'shop', name, code: 'NotTaken', reason: 'wrong' });
  const shop = { kind: 'Namespace', namespace: 'shop', name: 'shop', code: 'NotTaken', reason: 'wrong' } as const;
  const told = (atMs: number, ...names: readonly string[]): Told =>
    new Map(names.map((name) => [`Pod/shop/${name} wrong`, atMs]));
  const pods = ['a', 'b', 'c'].map((name) => problem(`Pod/shop/${name}`));
  const table: readonly (readonly [
    what: string,
    problems: readonly ObjectProblem[],
    told: Told,
    due: readonly unknown[],
  ])[] = [
    ['nothing is wrong', [], new Map(), []],
    ['a pod, with its namespace', [problem('Pod/shop/a'), problem('Namespace//shop')], new Map(), [pod('a'), shop]],
    ['what has a status of ours', [problem('AccessPolicy/shop/p'), problem('Service/shop/s')], new Map(), []],
    ['what cannot be named, or is in force', [problem(undefined), problem('Pod/shop/a', 'warning')], new Map(), []],
    ['two at once', pods, new Map(), [pod('a'), pod('b')]],
    ['the rest then', pods, told(950, 'a', 'b'), [pod('c')]],
    ['again after a while', pods, told(900, 'a', 'b', 'c'), [pod('a'), pod('b')]],
    ['no more of a namespace than it may have', pods, told(950, 'w', 'x', 'y'), [pod('a')]],
    [
      'others then',
      [...pods, problem('Pod/bank/a')],
      told(950, 'v', 'w', 'x', 'y'),
      [{ ...Object(pod('a')), namespace: 'bank' }],
    ],
    [
      'no more than may be remembered',
      pods,
      new Map(['v', 'w', 'x', 'y', 'z'].map((name) => [`Pod/${name}/a wrong`, 950])),
      [],
    ],
  ];
  for (const [what, problems, before, due] of table) {
    assert.deepEqual(decideProblemEvents(refusedObjects(problems), before, 1000, BOUNDS).due, due, what);
  }
  assert.deepEqual(
    decideProblemEvents([], new Map([...told(900, 'a'), ...told(901, 'b')]), 1000, BOUNDS).told,
    told(901, 'b'),
  );
  assert.equal(toldKey(shop), 'Namespace/shop/shop wrong');
});
