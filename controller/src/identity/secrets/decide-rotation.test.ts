import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AuthorityLife,
  decideRotation,
  type IntermediateState,
  isRootNeeded,
  type RootState,
  type RotationStep,
} from './decide-rotation.ts';

const HOUR_MS = 3_600_000;
const OVERLAP_MS = 48 * HOUR_MS;

function life(fingerprint: string, fromHours: number, toHours: number): AuthorityLife {
  return { fingerprint, notBeforeMs: fromHours * HOUR_MS, notAfterMs: toHours * HOUR_MS };
}

const OLD = life('old', 0, 10_000);
const NEW = life('new', 100, 20_000);
const ROOT: RootState = { ...OLD, next: null };
const SIGNER: IntermediateState = {
  ...life('signer', 0, 1000),
  signedBy: 'old',
  published: [OLD],
  rotationWanted: false,
};

test('decideRotation() makes what is missing, replaces what grows old, and lets roots overlap', () => {
  const both = { ...SIGNER, published: [OLD, NEW] };
  const switched: RootState = { ...NEW, next: null };
  const resigned = { ...life('signer2', 148, 1148), signedBy: 'new', published: [NEW, OLD], rotationWanted: false };
  const none: RotationStep = { kind: 'none' };
  const table: readonly (readonly [string, number, RootState | null, IntermediateState | null, RotationStep])[] = [
    ['nothing there', 0, null, null, { kind: 'create-root' }],
    ['no intermediate', 0, ROOT, null, { kind: 'sign', roots: ['old'] }],
    ['no intermediate during a rotation', 101, { ...ROOT, next: NEW }, null, { kind: 'sign', roots: ['old', 'new'] }],
    ['at rest', 499, ROOT, SIGNER, none],
    ['intermediate at half of its life', 500, ROOT, SIGNER, { kind: 'sign', roots: ['old'] }],
    ['an operator wants a new root', 1, ROOT, { ...SIGNER, rotationWanted: true }, { kind: 'prepare-root' }],
    ['root grows old', 8000, ROOT, { ...SIGNER, ...life('s', 7900, 8900) }, { kind: 'prepare-root' }],
    ['prepared', 101, { ...ROOT, next: NEW }, SIGNER, { kind: 'publish', roots: ['old', 'new'] }],
    ['published a moment ago', 147, { ...ROOT, next: NEW }, both, none],
    ['published for long', 148, { ...ROOT, next: NEW }, both, { kind: 'switch-root' }],
    ['switched', 148, switched, both, { kind: 'sign', roots: ['new', 'old'] }],
    ['signed a moment ago', 195, switched, resigned, none],
    ['nothing of the old root is left', 196, switched, resigned, { kind: 'publish', roots: ['new'] }],
    ['root lost, another made', 100, switched, SIGNER, { kind: 'publish', roots: ['new', 'old'] }],
    ['which not everybody knows', 147, switched, both, none],
    ['unless it is urgent', 147, switched, { ...both, ...life('s', 0, 195) }, { kind: 'sign', roots: ['new', 'old'] }],
  ];
  for (const [what, hours, root, intermediate, expected] of table) {
    const world = { root, intermediate, nowMs: hours * HOUR_MS, overlapMs: OVERLAP_MS };
    assert.deepEqual(decideRotation(world), expected, what);
    if (expected.kind !== 'none') assert.ok(isRootNeeded(intermediate, world.nowMs) || root !== ROOT, what);
  }
});

test('isRootNeeded() leaves the key alone while nothing is due', () => {
  assert.equal(isRootNeeded(SIGNER, 499 * HOUR_MS), false);
  assert.equal(isRootNeeded(SIGNER, 500 * HOUR_MS), true);
  assert.equal(isRootNeeded({ ...SIGNER, ...life('s', 7900, 8900) }, 8000 * HOUR_MS), true);
  assert.equal(isRootNeeded({ ...SIGNER, published: [OLD, NEW] }, 0), true);
  assert.equal(isRootNeeded({ ...SIGNER, rotationWanted: true }, 0), true);
  assert.equal(isRootNeeded(null, 0), true);
});
