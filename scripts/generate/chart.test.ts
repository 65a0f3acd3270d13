import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chartPage, chartValues } from './chart.ts';

const SCHEMA = JSON.stringify({
  properties: {
    global: { description: 'x' },
    a: {
      description: 'a group',
      properties: {
        b: { description: 'Either | or.', default: 'x', enum: ['x', 'y'] },
        c: { description: 'Deeper.', properties: { d: { description: `${'long '.repeat(30)}end.`, default: [] } } },
        e: { description: 'Some.', default: 3, minimum: 1, maximum: 9 },
      },
    },
  },
});

test('chartValues: one line for each value, under what it is for', () => {
  const long = 'long '.repeat(23).trim();
  assert.equal(
    chartValues(SCHEMA),
    [
      '# Generated from values.schema.json by scripts/generate.ts; changes belong there.',
      '',
      'a:',
      '  # Either | or. One of `x`, `y`.',
      '  b: "x"',
      '  c:',
      `    # ${long}`,
      `    # ${'long '.repeat(7)}end.`,
      '    d: []',
      '  # Some. From 1 to 9.',
      '  e: 3',
      '',
    ].join('\n'),
  );
});

test('chartPage: the table stands between its marks, the rest is left alone', () => {
  const page = 'before\n<!-- generated table: values -->\nold\n<!-- end of generated table -->\nafter\n';
  const text = chartPage(page, SCHEMA);
  assert.ok(text.startsWith('before\n<!-- generated table: values -->\n| value | default | what |\n'));
  assert.ok(text.endsWith('\n<!-- end of generated table -->\nafter\n'));
  assert.ok(text.includes('\n| `a.b` | `"x"` | Either \\| or. One of `x`, `y`. |\n'));
  assert.ok(!text.includes('old'));
  assert.throws(() => chartPage('no marks', SCHEMA), /lacks <!-- generated table/);
});

test('a value without default or description is an error that names it', () => {
  const schema = JSON.stringify({ properties: { a: { properties: { b: { description: 'x' } } } } });
  assert.throws(() => chartValues(schema), /values\.schema\.json: a\.b needs a description and a default/);
});
