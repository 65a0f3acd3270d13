import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tuneMalloc } from './malloc.ts';

test('tuneMalloc() asks for an arena for each worker and one more, and for fixed thresholds', () => {
  const asked: [number, number][] = [];
  const mallopt = (parameter: number, value: number): boolean => asked.push([parameter, value]) > 0;
  assert.equal(tuneMalloc(3, mallopt), true);
  assert.deepEqual(asked, [
    [-8, 4],
    [-3, 128 * 1024],
    [-1, 256 * 1024],
  ]);
});

test('tuneMalloc() says when not all was taken, and asks for the rest nevertheless', () => {
  const asked: number[] = [];
  const mallopt = (parameter: number): boolean => asked.push(parameter) !== 1;
  assert.equal(tuneMalloc(1, mallopt), false);
  assert.deepEqual(asked, [-8, -3, -1]);
});

test('tuneMalloc() is done by the C library of this process, if that is glibc', () => {
  const isGlibc = Reflect.get(process.report.getReport(), 'header')?.glibcVersionRuntime !== undefined;
  assert.equal(tuneMalloc(1), isGlibc);
});
