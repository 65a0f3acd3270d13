import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { normalisePath, type PathFault } from './normal-path.ts';

/** The normal form, or the fault in angle brackets. */
function normal(text: string): string {
  const result = normalisePath(text);
  return result.kind === 'path' ? result.path : `<${result.fault}>`;
}

test('normalisePath() gives every way to write a path one form', () => {
  const table: readonly (readonly [path: string, expected: string, why: string])[] = [
    ['/', '/', 'the root'],
    ['*', '*', 'OPTIONS *'],
    ['/a/b.c/~d-_', '/a/b.c/~d-_', 'nothing to do'],
    ["/a!$&'()*+,;=:@[]", "/a!$&'()*+,;=:@[]", 'reserved characters stay'],
    ['/%61%2D%2e%5F%7e', '/a-._~', 'unreserved characters are decoded'],
    ['/%3a%c3%a9', '/%3A%C3%A9', 'other escapes have capital digits'],
    ['/%2561', '/%2561', 'decoded once: an escaped percent sign stays one'],
    ['/a/./b/.', '/a/b/', 'dot segments'],
    ['/a/b/../c', '/a/c', 'up'],
    ['/a/b/..', '/a/', 'up at the end leaves the slash'],
    ['/..', '/', 'not above the root'],
    ['/../../etc/passwd', '/etc/passwd', 'nor twice'],
    ['/public/%2e%2e/admin', '/admin', 'encoded dots are dots'],
    ['/public/.%2E/admin', '/admin', 'half encoded'],
    ['//', '/', 'slashes are merged'],
    ['///a//b///', '/a/b/', 'everywhere'],
    ['/public//../admin', '/admin', 'before dots are resolved'],
    ['/a/...', '/a/...', 'three dots are a name'],
    ['/a/.b/..c', '/a/.b/..c', 'names that begin with dots'],
    ['/a;v=1/b', '/a;v=1/b', 'path parameters stay'],
    ['/A', '/A', 'case stays'],
    ['/a/', '/a/', 'a slash at the end stays'],
  ];
  for (const [path, expected, why] of table) assert.equal(normal(path), expected, `${path}: ${why}`);
});

test('normalisePath() refuses what two servers could read in two ways', () => {
  const table: Readonly<Record<PathFault, readonly string[]>> = {
    'not-absolute': ['', 'a', 'http://a/', '**', '*/a'],
    character: ['/a b', '/a\tb', '/a\u0000', '/é', '/a?b', '/a#b', '/\u007f', '/a\r\nb'],
    'percent-encoding': ['/%', '/%1', '/%zz', '/a%2', '/%-1', '/% 1'],
    'encoded-slash': ['/a%2fb', '/a%2Fb'],
    backslash: ['/a\\b', '/a%5cb', '/a%5C..%5Cb'],
    nul: ['/a%00', '/%00/b'],
    'dot-segment-parameter': ['/public/..;/admin', '/a/.;x/b', '/a/%2e%2e;/b', '//..;a'],
    'empty-segment-parameter': ['/;/admin', '/;a=1/admin', '//;/admin', '/a/;b', '/./;/admin', '/;'],
  };
  for (const [fault, paths] of Object.entries(table)) {
    for (const path of paths) assert.equal(normal(path), `<${fault}>`, JSON.stringify(path));
  }
});

test('normalisePath() is idempotent and leaves nothing that servers resolve', () => {
  const piece = fc.constantFrom('/', '.', '..', 'a', '%2e', '%2E', '%41', '%3b', ';', '//', '%2f', 'B', '~', '%', '\\');
  const path = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`);
  fc.assert(
    fc.property(path, (text) => {
      const result = normalisePath(text);
      if (result.kind === 'refused') return;
      assert.equal(normal(result.path), result.path);
      assert.ok(result.path.startsWith('/'));
      assert.ok(!result.path.includes('//'));
      assert.ok(!/\/(?:\.{1,2}(?:[/;]|$)|;)/.test(result.path), result.path);
      // The URL class resolves dots by the same RFC; it must find nothing left to do.
      assert.equal(new URL(`http://h${result.path}`).pathname, result.path);
    }),
    { seed: 20_261_126, numRuns: 2_000 },
  );
});
