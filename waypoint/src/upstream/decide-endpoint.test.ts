import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideEndpoint } from './decide-endpoint.ts';

const [a, b, c] = [{ load: 3 }, { load: 1 }, { load: 2 }];

/** Gives these numbers, one after the other. */
function numbers(...values: number[]): () => number {
  return () => values.shift() ?? assert.fail('more numbers than expected');
}

for (const [name, endpoints, random, except, expected] of [
  ['of none there is none', [], numbers(), undefined, undefined],
  ['of one it is that', [a], numbers(), undefined, a],
  ['of one it is that, though it failed', [a], numbers(), a, a],
  ['of two drawn the less loaded', [a, b, c], numbers(0, 0), undefined, b],
  ['in whatever order they are drawn', [a, b, c], numbers(0.4, 0.9), undefined, b],
  ['of equals the first drawn', [c, { load: 2 }], numbers(0, 0), undefined, c],
  ['not the one that failed', [a, b, c], numbers(0, 0), b, a],
  ['not the one that failed, drawn first', [a, b, c], numbers(0.4, 0), b, c],
] as const) {
  test(`decideEndpoint(): ${name}`, () => {
    assert.equal(decideEndpoint<{ readonly load: number }>(endpoints, random, except), expected);
  });
}
