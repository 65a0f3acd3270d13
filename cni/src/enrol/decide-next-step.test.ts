import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideNextStep, type EnrolmentState, type NextStep } from './decide-next-step.ts';

const absent: EnrolmentState<number> = { kind: 'absent' };
const recorded: EnrolmentState<number> = { kind: 'recorded', netns: 1 };
const enrolled: EnrolmentState<number> = { kind: 'enrolled', netns: 1 };

// desired, state, namespace found at the pod's path, step
const cases: readonly (readonly [boolean, EnrolmentState<number>, number | null, NextStep])[] = [
  [true, absent, null, 'enrol'],
  [true, absent, 1, 'enrol'],
  [true, recorded, null, 'enrol'],
  [true, recorded, 1, 'enrol'],
  [true, recorded, 2, 'enrol'],
  [true, enrolled, null, 'leave'],
  [true, enrolled, 1, 'none'],
  [true, enrolled, 2, 'leave'],
  [false, absent, null, 'forget'],
  [false, absent, 1, 'forget'],
  [false, recorded, null, 'forget'],
  [false, recorded, 1, 'release'],
  [false, recorded, 2, 'forget'],
  [false, enrolled, null, 'leave'],
  [false, enrolled, 1, 'release'],
  [false, enrolled, 2, 'leave'],
];

for (const [desired, state, found, expected] of cases) {
  const world = `${desired ? 'a desired' : 'an unwanted'} pod that is ${state.kind}, with namespace ${found ?? 'none'}`;
  test(`decideNextStep() for ${world}: ${expected}`, () => {
    assert.equal(
      decideNextStep(desired, state, found, (a, b) => a === b),
      expected,
    );
  });
}
