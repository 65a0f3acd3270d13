import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideStatusEntries, type StatusEntry } from './decide-status-entries.ts';

type Json = Readonly<Record<string, unknown>>;

const NOW = '2026-01-02T00:00:00Z';
const BEFORE = '2026-01-01T00:00:00Z';
const REF = { group: '', kind: 'Service', namespace: 'shop', name: 'web' };

const entry = (status: 'True' | 'False' = 'True', more: StatusEntry['ref'] = {}): StatusEntry => ({
  ref: { ...REF, sectionName: null, ...more },
  conditions: [{ type: 'Accepted', status, reason: 'R', message: 'm' }],
});
const stored = (status = 'True', lastTransitionTime = NOW, more: Json = {}): Json => ({
  parentRef: { ...REF, ...more },
  controllerName: 'ambit.dev/controller',
  conditions: [{ type: 'Accepted', status, reason: 'R', message: 'm', observedGeneration: 3, lastTransitionTime }],
});
const theirs = (name = 'other.dev/controller'): Json => ({ parentRef: REF, controllerName: name, conditions: [] });

function decide(present: readonly Json[] | null, entries: readonly StatusEntry[]): unknown {
  const metadata = { name: 'r', namespace: 'shop', uid: 'u', resourceVersion: '7', generation: 3 };
  const object = { metadata, ...(present === null ? {} : { status: { parents: present } }) };
  const patch = decideStatusEntries({ object, list: 'parents', entries, now: NOW });
  if (patch === null) return null;
  const { metadata: precondition, status } = patch as Readonly<Record<'metadata' | 'status', Json>>;
  assert.deepEqual(precondition, { uid: 'u', resourceVersion: '7' });
  return status['parents'];
}

test('decideStatusEntries() writes ours beside those of others, and nothing that is there', () => {
  const many = Array.from({ length: 31 }, (_, index) => theirs(`other.dev/${index}`));
  const table: readonly (readonly [
    what: string,
    present: readonly Json[] | null,
    entries: readonly StatusEntry[],
    expected: readonly Json[] | null,
  ])[] = [
    ['nothing', null, [], null],
    ['the first', null, [entry()], [stored()]],
    ['of others nothing is ours', [theirs()], [], null],
    ['beside others', [theirs()], [entry()], [theirs(), stored()]],
    ['what is there, since when it is', [stored('True', BEFORE), theirs()], [entry()], null],
    ['a change', [stored('True', BEFORE)], [entry('False')], [stored('False')]],
    ['another reference', [stored('True', BEFORE)], [entry('True', { port: 80 })], [stored('True', NOW, { port: 80 })]],
    ['taken back', [stored(), theirs()], [], [theirs()]],
    ['twice', [stored('True', BEFORE), stored('True', BEFORE)], [entry()], [stored('True', BEFORE)]],
    ['no room', many, [entry(), entry('True', { port: 80 })], [...many, stored()]],
  ];
  for (const [what, present, entries, expected] of table) assert.deepEqual(decide(present, entries), expected, what);
});
