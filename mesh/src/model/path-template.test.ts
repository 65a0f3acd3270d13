import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { normalisePath } from './normal-path.ts';
import { parsePathTemplate, templateMatches } from './path-template.ts';

function matches(text: string, path: string): boolean {
  const template = parsePathTemplate(text);
  const normal = normalisePath(path);
  assert.ok(template !== null, text);
  assert.ok(normal.kind === 'path', path);
  return templateMatches(template, normal.path);
}

test('templateMatches() compares segment by segment', () => {
  const table: readonly (readonly [template: string, yes: readonly string[], no: readonly string[]])[] = [
    ['/', ['/', '//', '/.'], ['/a', '*']],
    [
      '/admin',
      ['/admin', '/admin/', '//admin', '/%61dmin', '/x/../admin', '/admin;a=b', '/admin;'],
      ['/Admin', '/admin/x', '/adminx', '/'],
    ],
    ['/%61dmin/', ['/admin'], ['/admin/x']],
    [
      '/users/{id}/orders',
      ['/users/7/orders', '/users/a.b/orders/'],
      ['/users/orders', '/users//orders', '/users/7/8/orders', '/users/7'],
    ],
    ['/files/*', ['/files/a', '/files/a/'], ['/files', '/files/', '/files/a/b']],
    ['/admin/**', ['/admin', '/admin/', '/admin/a', '/admin/a/b/', '/admin;x/a'], ['/', '/adminx', '/a/admin']],
    ['/**', ['/', '/a/b', '*'], []],
    ['/*/x/**', ['/a/x', '/a/x/b'], ['/x', '/a/y', '/a']],
    ['/.well-known/..a/...', ['/.well-known/..a/...'], ['/.well-known']],
    ['/%C3%A9', ['/%c3%a9'], ['/e']],
  ];
  for (const [template, yes, no] of table) {
    for (const path of yes) assert.equal(matches(template, path), true, `${template} ${path}`);
    for (const path of no) assert.equal(matches(template, path), false, `${template} ${path}`);
  }
});

test('parsePathTemplate() refuses what could be read in two ways', () => {
  const wrong = [
    '',
    'a',
    '*',
    '**',
    '/a*',
    '/*a',
    '/**/a',
    '/a/**/',
    '/{}',
    '/a{b}',
    '/{a',
    '//',
    '/a//b',
    '/.',
    '/..',
    '/a/./b',
  ];
  const unsafe = [
    '/%2f',
    '/%2F',
    '/%5c',
    '/%00',
    '/%2e%2e',
    '/%2E',
    '/%',
    '/a b',
    '/a?b',
    '/a#b',
    '/a;b',
    '/é',
    '/a\\b',
  ];
  for (const text of [...wrong, ...unsafe, `/${'a'.repeat(1024)}`]) assert.equal(parsePathTemplate(text), null, text);
});

test('a template without wildcards matches itself, however a request writes it', () => {
  const segment = fc.stringMatching(/^[A-Za-z0-9_~.-]{1,6}$/).filter((text) => !/^\.{1,2}$/.test(text));
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 4 }), fc.boolean(), (segments, encoded) => {
      const text = `/${segments.join('/')}`;
      const letter = ([character = '']: string): string => `%${character.charCodeAt(0).toString(16)}`;
      assert.ok(matches(text, encoded ? text.replaceAll(/[a-z]/g, letter) : text));
    }),
    { seed: 20_261_126, numRuns: 300 },
  );
});
