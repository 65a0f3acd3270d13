import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NAME_TABLE_LIMITS, NameTable } from './name-table.ts';

const ABSENT_MS = 100;

function want(table: NameTable, name: string, nowMs = 0, mayForgetThere = false): string {
  const wanted = table.want(name, nowMs, ABSENT_MS, mayForgetThere);
  if (wanted.kind !== 'ask') return wanted.kind;
  return [wanted.again ? 'ask again' : 'ask', wanted.forgotten].filter((part) => part !== null).join(' for ');
}

test('NameTable has a name asked for once, until there is an answer', () => {
  const table = new NameTable();
  assert.deepEqual([want(table, 'a'), want(table, 'a'), want(table, 'b')], ['ask', 'asked', 'ask']);
  assert.deepEqual([table.answer('a', 'there', 0), table.answer('b', 'absent', 0)], [true, true]);
  assert.deepEqual([want(table, 'a'), want(table, 'b')], ['there', 'absent']);
  assert.deepEqual([table.answer('a', 'absent', 0), table.answer('stranger', 'there', 0)], [false, false]);
  assert.deepEqual([want(table, 'a'), [...table.names()], table.size], ['absent', ['b', 'a'], 2]);
});

test('NameTable has a name that nobody had asked for again after a while', () => {
  const table = new NameTable();
  want(table, 'a');
  table.answer('a', 'absent', 50);
  assert.deepEqual(
    [want(table, 'a', 149), want(table, 'a', 150), want(table, 'a', 150)],
    ['absent', 'ask again', 'asked'],
  );
});

test("NameTable gives the place of the name that is nobody's and was wanted longest ago, and none of another", () => {
  const table = new NameTable(2);
  for (const name of ['a', 'b']) {
    want(table, name);
    table.answer(name, 'absent', 0);
  }
  assert.equal(want(table, 'a'), 'absent');
  assert.equal(want(table, 'c'), 'ask for b');
  table.answer('c', 'there', 0);
  assert.equal(want(table, 'd'), 'ask for a');
  assert.equal(want(table, 'e'), 'full');
  assert.deepEqual([...table.names()], ['c', 'd']);
});

test('NameTable takes no name longer than any resource has', () => {
  const table = new NameTable();
  assert.equal(want(table, 'x'.repeat(NAME_TABLE_LIMITS.lengthMax + 1)), 'full');
  assert.equal(want(table, 'x'.repeat(NAME_TABLE_LIMITS.lengthMax)), 'ask');
});

test('NameTable gives the place of a name of something where that may be, the one that was wanted longest ago', () => {
  const table = new NameTable(3);
  for (const name of ['a', 'b', 'nobody']) {
    want(table, name);
    table.answer(name, name === 'nobody' ? 'absent' : 'there', 0);
  }
  assert.equal(want(table, 'a'), 'there');
  const wants = ['c', 'd', 'e', 'f'].map((name) => want(table, name, 0, true));
  assert.deepEqual(wants, ['ask for nobody', 'ask for b', 'ask for a', 'full']);
});
