import assert from 'node:assert/strict';
import { test } from 'node:test';
import { svgBars } from './svg-bars.ts';

test('svgBars() scales the longest bar of a panel to its full width and the others in proportion', () => {
  const bar = (label: string, value: number): Parameters<typeof svgBars>[2][number]['bars'][number] => ({
    label,
    value,
    min: value,
    max: value,
    text: String(value),
    colour: '#123456',
  });
  const picture = svgBars('t', 's', [{ title: 'p', note: 'n', bars: [bar('a', 50), bar('b', 100)] }]);
  const widths = [...picture.matchAll(/width="([\d.]+)" height="20"/g)].map((match) => Number(match[1]));
  assert.equal(widths.length, 2);
  assert.equal(widths[0], (widths[1] ?? 0) / 2);
});

test('svgBars() draws empty panels and zero values without breaking', () => {
  const zero = { label: 'z', value: 0, min: 0, max: 0, text: '0', colour: '#000' };
  const picture = svgBars('a & b', '<s>', [
    { title: 'none', note: '', bars: [] },
    { title: 'zero', note: '', bars: [zero] },
  ]);
  assert.match(picture, /a &amp; b/);
  assert.match(picture, /&lt;s&gt;/);
  assert.doesNotMatch(picture, /NaN|Infinity/);
});
