import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalisePath } from '../model/normal-path.ts';
import { replacePath } from './replace-path.ts';
import type { PathModifier } from './rule.ts';

function replaced(text: string, modifier: PathModifier | null, matched = '/'): string {
  const normal = normalisePath(text);
  assert.ok(normal.kind === 'path');
  return replacePath(normal.path, modifier, matched);
}

test('replacePath() replaces whole segments of a prefix, as the table of Gateway API says', () => {
  const table: readonly (readonly [path: string, matched: string, replacement: string, expected: string])[] = [
    ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
    ['/foo', '/foo', '/xyz', '/xyz'],
    ['/foo/', '/foo', '/xyz', '/xyz/'],
    ['/foo/bar', '/foo', '', '/bar'],
    ['/foo/', '/foo', '', '/'],
    ['/foo', '/foo', '', '/'],
    ['/foo/bar', '/', '/xyz', '/xyz/foo/bar'],
    ['/', '/', '/xyz', '/xyz/'],
    ['/foo', '/', '', '/foo'],
    ['/a/b/c/d', '/a/b', '/x/y/z', '/x/y/z/c/d'],
    ['/a%3Fb/c', '/a%3Fb', '/x', '/x/c'],
  ];
  for (const [path, matched, prefix, expected] of table) {
    assert.equal(replaced(path, { kind: 'prefix', prefix }, matched), expected, `${path} ${matched} ${prefix}`);
  }
});

test('replacePath() replaces a full path, and leaves what it cannot', () => {
  assert.equal(replaced('/a/b', { kind: 'full', path: '/c/./d' }), '/c/d');
  assert.equal(replaced('/a/b', { kind: 'full', path: '/c%2fd' }), '/a/b');
  assert.equal(replaced('/a/b', null), '/a/b');
});
