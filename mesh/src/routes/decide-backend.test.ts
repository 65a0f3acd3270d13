import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomOf } from '../testing/random.ts';
import { aRule } from '../testing/route-builder.ts';
import { compileRule } from './compile-rule.ts';
import { decideMirrors } from './decide-mirrors.ts';
import { applyEdits, composeEdits, editsOf, NO_EDITS } from './header-edits.ts';
import { pickBackend } from './pick-backend.ts';
import { type HeaderModifier, NO_FILTERS, type RuleFilters } from './rule.ts';

function withWeights(...weights: readonly number[]) {
  const backends = weights.map((weight, index) => ({ backend: `b${index}`, weight, filters: NO_FILTERS }));
  return compileRule(aRule({ backends }), 'shop/r', 0);
}

test('pickBackend() goes by weight, and gives nothing to zero', () => {
  const table: readonly (readonly [weights: readonly number[], draw: number, expected: string | null])[] = [
    [[], 0, null],
    [[0], 0.5, null],
    [[0, 0], 0, null],
    [[1], 0, 'b0'],
    [[1], 0.999_999, 'b0'],
    [[90, 10], 0, 'b0'],
    [[90, 10], 0.899_999, 'b0'],
    [[90, 10], 0.9, 'b1'],
    [[90, 10], 0.999_999, 'b1'],
    [[0, 1, 0], 0, 'b1'],
    [[0, 1, 0], 0.999_999, 'b1'],
    [[1, 0, 1], 0.5, 'b2'],
    [[1_000_000, 1], 0.999_999_9, 'b1'],
    // A draw that is no draw, but rounding could make it one.
    [[1, 1, 0], 1, 'b1'],
  ];
  for (const [weights, draw, expected] of table) {
    assert.equal(pickBackend(withWeights(...weights), draw)?.backend ?? null, expected, `${weights.join()} ${draw}`);
  }
});

test('pickBackend() and decideMirrors() keep to the shares asked for', () => {
  const random = randomOf(7);
  const rule = withWeights(1, 0, 3);
  const mirrors = [{ backend: 'm', numerator: 1, denominator: 20 }];
  const counts = { b0: 0, b1: 0, b2: 0, m: 0 };
  for (let round = 0; round < 100_000; round++) {
    const picked = pickBackend(rule, random())?.backend;
    if (picked === 'b0' || picked === 'b1' || picked === 'b2') counts[picked]++;
    counts.m += decideMirrors(mirrors, random).length;
  }
  assert.equal(counts.b1, 0);
  assert.ok(Math.abs(counts.b0 - 25_000) < 500, String(counts.b0));
  assert.ok(Math.abs(counts.m - 5_000) < 250, String(counts.m));
});

test('decideMirrors() draws once for each that gets only some', () => {
  const draws = [0.1, 0.9];
  const draw = (): number => draws.shift() ?? assert.fail('drawn too often');
  const mirror = (backend: string, numerator: number, denominator: number) => ({ backend, numerator, denominator });
  const mirrors = [mirror('all', 100, 100), mirror('none', 0, 100), mirror('low', 20, 100), mirror('high', 89, 100)];
  assert.deepEqual(decideMirrors(mirrors, draw), ['all', 'low']);
  assert.deepEqual(draws, []);
  assert.deepEqual(decideMirrors([], draw), []);
});

const modifier = (
  set: Readonly<Record<string, string>>,
  add: Readonly<Record<string, string>> = {},
  remove: readonly string[] = [],
): HeaderModifier => {
  const list = (values: Readonly<Record<string, string>>) =>
    Object.entries(values).map(([name, value]) => ({ name, value }));
  return { set: list(set), add: list(add), remove };
};
const lines = (headers: readonly { readonly name: string; readonly value: string }[]): readonly string[] =>
  headers.map(({ name, value }) => `${name}: ${value}`);

test('applyEdits() sets, adds and removes, whatever the case of names', () => {
  const headers = [
    { name: 'X-Set', value: 'old' },
    { name: 'x-add', value: 'foo' },
    { name: 'X-Remove', value: '1' },
    { name: 'x-set', value: 'older' },
    { name: 'Other', value: 'stays' },
  ];
  const edits = editsOf(modifier({ 'x-set': 'new' }, { 'x-add': 'bar,baz' }, ['x-remove']));
  assert.deepEqual(lines(applyEdits(headers, edits)), ['x-add: foo', 'Other: stays', 'x-set: new', 'x-add: bar,baz']);
  assert.equal(editsOf(null), NO_EDITS);
});

test('composeEdits() is one after the other', () => {
  const headers = [
    { name: 'a', value: '0' },
    { name: 'b', value: '0' },
    { name: 'c', value: '0' },
  ];
  const first = editsOf(modifier({ a: '1', d: '1' }, { b: '1' }, ['c']));
  const then = editsOf(modifier({ b: '2' }, { c: '2', a: '2' }, ['d']));
  const expected = applyEdits(applyEdits(headers, first), then);
  assert.deepEqual(applyEdits(headers, composeEdits(first, then)), expected);
  assert.deepEqual(lines(expected), ['a: 1', 'b: 2', 'c: 2', 'a: 2']);
  assert.equal(composeEdits(first, NO_EDITS), first);
  assert.equal(composeEdits(NO_EDITS, then), then);
});

test("compileRule() joins a rule's filters with those of its backends", () => {
  const filters = (fields: Partial<RuleFilters<string>>): RuleFilters<string> => ({ ...NO_FILTERS, ...fields });
  const mirror = (backend: string) => ({ backend, numerator: 1, denominator: 1 });
  const rule = aRule({
    filters: filters({
      requestHeaders: modifier({ who: 'rule' }),
      responseHeaders: modifier({ who: 'rule' }),
      rewrite: { hostname: 'rule.example', path: { kind: 'full', path: '/rule' } },
      mirrors: [mirror('m1')],
    }),
    backends: [
      { backend: 'plain', weight: 1, filters: filters({}) },
      {
        backend: 'special',
        weight: 2,
        filters: filters({
          requestHeaders: modifier({ who: 'backend' }),
          responseHeaders: modifier({ who: 'backend' }),
          rewrite: { hostname: 'backend.example', path: null },
          mirrors: [mirror('m2')],
        }),
      },
    ],
  });
  const compiled = compileRule(rule, 'shop/r', 3);
  const [plain, special] = compiled.backends;
  assert.equal(plain?.effects, compiled.effects);
  assert.deepEqual(lines(special?.effects.requestEdits.appended ?? []), ['who: backend']);
  assert.deepEqual(lines(special?.effects.responseEdits.appended ?? []), ['who: rule']);
  assert.deepEqual(special?.effects.rewrite, { hostname: 'backend.example', path: { kind: 'full', path: '/rule' } });
  assert.deepEqual(
    special?.effects.mirrors.map(({ backend }) => backend),
    ['m1', 'm2'],
  );
  assert.deepEqual([compiled.weightTotal, compiled.index, compiled.routeKey], [3, 3, 'shop/r']);
});
