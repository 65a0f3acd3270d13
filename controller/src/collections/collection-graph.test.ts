import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Collection } from './collection.ts';
import { CollectionGraph, type SourceCollection } from './collection-graph.ts';

interface Item {
  readonly group: string;
  readonly value: number;
}

interface World {
  readonly graph: CollectionGraph;
  readonly items: SourceCollection<Item>;
  readonly factors: SourceCollection<number>;
  readonly sums: Collection<string>;
  readonly groups: Collection<string>;
}

/** Items multiplied by their group's factor, with the number of their neighbours; and one line per group. */
function createWorld(): World {
  const graph = new CollectionGraph();
  const items = graph.source<Item>('items');
  const factors = graph.source<number>('factors');
  const byGroup = items.index((item) => [item.group]);
  const products = graph.derive('products', items, (item, read) => item.value * (read.get(factors, item.group) ?? 1));
  const sums = graph.derive('sums', items, (item, read, key) => {
    if (item.value < 0) return null;
    const neighbours = read.lookup(byGroup, item.group).length;
    return `${key}: ${String(read.get(products, key))} of ${neighbours}`;
  });
  const groups = graph.derive(
    'groups',
    byGroup.groups,
    (members, _read, key) =>
      `${key}: ${members
        .map((member) => member.value)
        .toSorted((a, b) => a - b)
        .join(' ')}`,
  );
  return { graph, items, factors, sums, groups };
}

function contents<V>(collection: Collection<V>): Readonly<Record<string, V>> {
  return Object.fromEntries([...collection.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

test('CollectionGraph recomputes only what depends on a change', () => {
  const { graph, items, factors, sums } = createWorld();
  for (let i = 0; i < 100; i++) items.set(`i${i}`, { group: `g${i % 10}`, value: i });
  graph.commit();
  const start = graph.recomputed;
  factors.set('g3', 2);
  graph.commit();
  // Ten products and ten sums; nothing of the other groups.
  assert.equal(graph.recomputed - start, 20);
  assert.equal(sums.get('i13'), 'i13: 26 of 10');
  assert.equal(sums.get('i14'), 'i14: 14 of 10');
});

test('CollectionGraph tells listeners the changed keys, once per commit, when everything is consistent', () => {
  const { graph, items, factors, sums } = createWorld();
  const seen: [string[], string | undefined][] = [];
  sums.onChange((keys) => seen.push([[...keys].toSorted(), sums.get('a')]));
  items.set('a', { group: 'g', value: 1 });
  items.set('b', { group: 'g', value: 2 });
  factors.set('g', 10);
  assert.deepEqual(seen, []);
  graph.commit();
  graph.commit();
  items.set('b', undefined);
  graph.commit();
  assert.deepEqual(seen, [
    [['a', 'b'], 'a: 10 of 2'],
    [['a', 'b'], 'a: 10 of 1'],
  ]);
});

test('CollectionGraph stops at a derived value that means the same', () => {
  const graph = new CollectionGraph();
  const source = graph.source<number>('numbers');
  const parity = graph.derive('parity', source, (value) => ({ even: value % 2 === 0 }), {
    equal: (a, b) => a.even === b.even,
  });
  const text = graph.derive('text', parity, ({ even }) => (even ? 'even' : 'odd'));
  source.set('x', 2);
  graph.commit();
  const start = graph.recomputed;
  source.set('x', 4);
  graph.commit();
  assert.equal(graph.recomputed - start, 1);
  source.set('x', 5);
  graph.commit();
  assert.equal(text.get('x'), 'odd');
});

test('CollectionGraph joins and renames collections', () => {
  const graph = new CollectionGraph();
  const left = graph.source<number>('left');
  const right = graph.source<number>('right');
  const both = graph.union('both', [
    graph.rekey('l', left, (key) => `l/${key}`),
    graph.rekey('r', right, (key) => `r/${key}`),
  ]);
  left.set('x', 1);
  right.set('x', 2);
  assert.deepEqual(contents(both), { 'l/x': 1, 'r/x': 2 });
  left.set('x', undefined);
  assert.deepEqual(contents(both), { 'r/x': 2 });
});

test('CollectionGraph gives after any history what a fresh graph gives for the same input', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const group = fc.constantFrom('g', 'h', 'i');
  const item = fc.option(fc.record({ group, value: fc.integer({ min: -2, max: 5 }) }), { nil: undefined });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('item' as const), key, item }),
    fc.record({
      kind: fc.constant('factor' as const),
      key: group,
      factor: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    }),
    fc.record({ kind: fc.constant('commit' as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = createWorld();
      for (const change of steps) {
        if (change.kind === 'item') world.items.set(change.key, change.item);
        else if (change.kind === 'factor') world.factors.set(change.key, change.factor);
        else world.graph.commit();
      }
      world.graph.commit();
      const fresh = createWorld();
      for (const [name, value] of world.items.entries()) fresh.items.set(name, value);
      for (const [name, value] of world.factors.entries()) fresh.factors.set(name, value);
      fresh.graph.commit();
      assert.deepEqual(contents(world.sums), contents(fresh.sums));
      assert.deepEqual(contents(world.groups), contents(fresh.groups));
    }),
    { seed: 11, numRuns: 300 },
  );
});
