import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isSameTarget, probeTarget } from './probe.ts';

describe('probeTarget()', () => {
  const rows: readonly [path: string, target: string][] = [
    ['/healthz', '/healthz'],
    ['', '/'],
    ['healthz', '/healthz'],
    ['/ready?verbose=1&x=/', '/ready?verbose=1&x=/'],
    ['/a b', '/a%20b'],
    ['/a%20b', '/a%20b'],
    ['/100%', '/100%25'],
    ['/%zz', '/%25zz'],
    ['/ä', '/%C3%A4'],
    ['/x#fragment', '/x'],
    ['/x\r\nHost: evil', '/x%0D%0AHost:%20evil'],
    ['/../a//b', '/../a//b'],
    ['//other/x', '/x'],
    ['http://other:1/x?y', '/x?y'],
    ['//other', '/'],
  ];
  for (const [path, target] of rows) test(JSON.stringify(path), () => assert.equal(probeTarget(path), target));
});

describe('isSameTarget()', () => {
  const rows: readonly [a: string, b: string, same: boolean][] = [
    ['/a', '/a', true],
    ['/a%20b', '/a%20b', true],
    ['/%61', '/a', true],
    ['/%c3%a4', '/%C3%A4', true],
    ['/a', '/A', false],
    ['/a', '/a/', false],
    ['/a', '/a?', false],
    ['/a?x=%61', '/a?x=a', false],
    ['/a%3Fx', '/a?x', false],
    ['/%ff', '/%FE', false],
  ];
  for (const [a, b, same] of rows) test(`${a} and ${b}`, () => assert.equal(isSameTarget(a, b), same));
});
