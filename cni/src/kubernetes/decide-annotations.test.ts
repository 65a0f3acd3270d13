import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseObject, type Pod } from '@ambit/mesh/kinds';
import type { PodState } from '../enrol/pod-enroller.ts';
import { decideAnnotations } from './decide-annotations.ts';

/** What the pod says; its state, null for none; what it has to say, or `as it is`. */
const cases: readonly (readonly [string | null, PodState | null, string | null])[] = [
  [null, 'enrolled', 'enabled'],
  ['pending', 'enrolled', 'enabled'],
  ['enabled', 'enrolled', 'as it is'],
  [null, 'enrolling', 'pending'],
  ['enabled', 'enrolling', 'pending'],
  ['pending', 'enrolling', 'as it is'],
  ['enabled', 'releasing', null],
  ['enabled', null, null],
  [null, null, 'as it is'],
  ['nonsense', null, null],
];

for (const [said, state, expected] of cases) {
  test(`decideAnnotations() of a pod that says ${said} and is ${state ?? 'not enrolled'}: ${expected ?? 'nothing'}`, () => {
    const annotations = { other: 'x', ...(said === null ? {} : { 'ambit.dev/redirection': said }) };
    const metadata = { namespace: 'shop', name: 'cart', uid: 'u', annotations };
    const pod = parseObject({ apiVersion: 'v1', kind: 'Pod', metadata }) as Pod;
    const names = { uid: 'u', namespace: 'shop', name: 'cart' };
    const changes = decideAnnotations([pod], state === null ? [] : [{ ...names, state }]);
    assert.deepEqual(changes, expected === 'as it is' ? [] : [{ ...names, value: expected }]);
  });
}
