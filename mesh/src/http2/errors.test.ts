import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FAULTS } from './errors.ts';

test('the table of faults in the README is the one in the code', () => {
  const readme = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const section = readme.slice(readme.indexOf('## Faults'));
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  assert.deepEqual(
    rows,
    Object.entries(FAULTS).map(([code, [answer, meaning]]) => `| \`${code}\` | ${answer} | ${meaning} |`),
  );
});
