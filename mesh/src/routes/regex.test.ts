import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRegex } from './regex.ts';

function matches(source: string, text: string): boolean {
  const parsed = parseRegex(source);
  if (parsed.kind === 'fault') throw new Error(parsed.fault);
  assert.equal(parsed.regex.source, source);
  return parsed.regex.matches(text);
}

test('parseRegex() gives an expression that the whole text must match', () => {
  const table: readonly (readonly [source: string, text: string, expected: boolean])[] = [
    ['/api/v[0-9]+', '/api/v12', true],
    ['/api/v[0-9]+', '/api/v12/', false],
    ['/api/v[0-9]+', 'x/api/v1', false],
    ['/api(/.*)?', '/api/a/b', true],
    ['a|ab', 'ab', true],
    ['^v2$', 'v2', true],
    ['Chrome', 'chrome', false],
    ['(?i)chrome', 'CHROME', true],
    ['.*Chrome/[0-9.]+.*', 'Mozilla/5.0 (X11) Chrome/126.0.0.0 Safari/537.36', true],
    ['a.b', 'a\nb', false],
    ['\\p{L}+', 'é', true],
    ['', '', true],
  ];
  for (const [source, text, expected] of table) assert.equal(matches(source, text), expected, `${source} ${text}`);
});

test('parseRegex() says what is wrong with an expression', () => {
  const fault = (source: string): string => {
    const parsed = parseRegex(source);
    return parsed.kind === 'fault' ? parsed.fault : '';
  };
  assert.match(fault('(a'), /missing closing \)/);
  assert.match(fault('(?=a)'), /unsupported Perl syntax/);
  assert.match(fault('(a)\\1'), /invalid escape sequence/);
  assert.match(fault('(?:(?:[a-z]{30}){30}){9}'), /invalid repeat count|too large/);
  assert.match(fault('(?:[a-z]{1000}){0,1}[a-z]{1000}'.repeat(6)), /too large: \d+ instructions, at most 5000/);
});

test('an expression that explodes elsewhere takes linear time', () => {
  const evil = ['(a*)*b', '(a|a)*b', '(.*)*x', '(a?){50}a{50}b'];
  const text = 'a'.repeat(20_000);
  const began = performance.now();
  for (const source of evil) assert.equal(matches(source, text), false, source);
  assert.ok(performance.now() - began < 5_000);
});
