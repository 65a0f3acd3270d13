import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYamlValue } from './parse-yaml-value.ts';

test('parseYamlValue() reads YAML and JSON, and gives back what is neither', () => {
  assert.deepEqual(parseYamlValue('min: 2\nmax: 3\n'), { min: 2, max: 3 });
  assert.deepEqual(parseYamlValue('{"min": 2}'), { min: 2 });
  assert.deepEqual(parseYamlValue('- a\n- b\n'), ['a', 'b']);
  assert.equal(parseYamlValue('7'), 7);
  assert.equal(parseYamlValue(''), null);
  assert.equal(parseYamlValue('a: [b'), 'a: [b');
  const long = `a: ${'x'.repeat(70_000)}`;
  assert.equal(parseYamlValue(long), long);
});

test('parseYamlValue() does not multiply aliases', () => {
  const nested = 'bcdefgh'.split('').map((name, index) => {
    const before = 'abcdefgh'[index];
    return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(', ')}]`;
  });
  const text = `a: &a [x, x]\n${nested.join('\n')}\n`;
  assert.equal(parseYamlValue(text), text);
});
