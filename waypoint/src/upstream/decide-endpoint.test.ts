import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { randomOf } from '@ambit/mesh/testing';
import { type Candidate, chooserOf, decideEndpoint, drawOf } from './decide-endpoint.ts';

const at = (load: number, more: Partial<Candidate> = {}): Candidate => ({ load, capacity: 1, avoided: false, ...more });
const [a, b, c] = [at(3), at(1), at(2)];
const gone = at(0, { avoided: true });
const alsoGone = at(1, { avoided: true });
const big = at(3, { capacity: 4 });

/** Gives these numbers, one after the other. */
function numbers(...values: number[]): () => number {
  return () => values.shift() ?? assert.fail('more numbers than expected');
}

describe('decideEndpoint()', () => {
  for (const [name, endpoints, random, except, expected] of [
    ['of none there is none', [], numbers(), undefined, undefined],
    ['of one it is that', [a], numbers(), undefined, a],
    ['of one it is that, though it failed', [a], numbers(), a, a],
    ['of one it is that, though it was not reached lately', [gone], numbers(), undefined, gone],
    ['of two drawn the less loaded', [a, b, c], numbers(0, 0), undefined, b],
    ['in whatever order they are drawn', [a, b, c], numbers(0.4, 0.9), undefined, b],
    ['of equals the first drawn', [c, at(2)], numbers(0, 0), undefined, c],
    ['not the one that failed', [a, b, c], numbers(0, 0), b, a],
    ['not the one that failed, drawn first', [a, b, c], numbers(0.4, 0), b, c],
    ['not the one that was not reached lately', [a, gone, c], numbers(0, 0), undefined, a],
    ['not the one that was not reached lately, drawn first', [a, gone, c], numbers(0.4, 0), undefined, c],
    ['of two that were not reached lately a third', [gone, a, alsoGone], numbers(0, 0.9), undefined, a],
    ['of the failed and the unreached a third', [gone, a, b], numbers(0, 0), a, b],
    ['when none was reached lately, the first drawn', [gone, alsoGone], numbers(0, 0), undefined, gone],
    ['when none was reached lately, not the one that failed', [gone, alsoGone], numbers(0, 0), gone, alsoGone],
    ['load counts by capacity', [b, big], numbers(0, 0), undefined, big],
    ['a draw counts by capacity', [b, big, gone], numbers(0.17, 0.99), undefined, big],
  ] as const) {
    test(name, () => assert.equal(decideEndpoint(drawOf<Candidate>(endpoints), random, except), expected));
  }

  // What a server does that needs a turn of its own for each request, beside others.
  for (const [name, capacities, shares] of [
    ['alike', [1, 1, 1, 1], [0.25, 0.25, 0.25, 0.25]],
    ['of different capacity', [1, 2, 5], [0.125, 0.25, 0.625]],
    ['of fractions of capacity', [0.1, 0.2, 0.7], [0.1, 0.2, 0.7]],
  ] as const) {
    test(`gives endpoints ${name} their share, idle and under load`, () => {
      const random = randomOf(7);
      for (const depth of [0, 40]) {
        const endpoints = capacities.map((capacity) => ({ load: 0, capacity, avoided: false }));
        const counts = new Map(endpoints.map((endpoint) => [endpoint, 0]));
        const open: (typeof endpoints)[number][] = [];
        const draw = drawOf(endpoints);
        for (let i = 0; i < 20_000; i += 1) {
          const chosen = decideEndpoint(draw, random) ?? assert.fail('none');
          counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
          chosen.load += 1;
          open.push(chosen);
          const done = open.length > depth ? open.splice(Math.floor(random() * open.length), 1)[0] : undefined;
          if (done !== undefined) done.load -= 1;
        }
        for (const [index, endpoint] of endpoints.entries()) {
          const share = (counts.get(endpoint) ?? 0) / 20_000;
          assert.ok(Math.abs(share - (shares[index] ?? 0)) < 0.02, `${index} at depth ${depth}: ${share}`);
        }
      }
    });
  }

  test('a slow endpoint gets less than the others, and one that is gone nothing', () => {
    const random = randomOf(11);
    const endpoints = [1, 1, 8].map((ticks) => ({ load: 0, capacity: 1, avoided: false, ticks, count: 0 }));
    const dead = { load: 0, capacity: 1, avoided: true, ticks: 1, count: 0 };
    const draw = drawOf([...endpoints, dead]);
    const ends = new Map<number, (typeof endpoints)[number][]>();
    for (let tick = 0; tick < 5000; tick += 1) {
      for (const done of ends.get(tick) ?? []) done.load -= 1;
      ends.delete(tick);
      for (let i = 0; i < 4; i += 1) {
        const chosen = decideEndpoint(draw, random) ?? assert.fail('none');
        chosen.count += 1;
        chosen.load += 1;
        ends.set(tick + chosen.ticks, [...(ends.get(tick + chosen.ticks) ?? []), chosen]);
      }
    }
    const [fast = 0, other = 0, slow = 0] = endpoints.map(({ count }) => count);
    assert.ok(slow < fast / 2 && slow < other / 2, `${fast} ${other} ${slow}`);
    assert.equal(dead.count, 0);
  });
});

describe('chooserOf()', () => {
  const four = [at(9), at(0), at(5), at(0)] as const;
  const named = (chosen: Candidate | undefined, endpoints: readonly Candidate[]): number =>
    chosen === undefined ? -1 : endpoints.indexOf(chosen);
  for (const [name, algorithm, endpoints, random, except, expected] of [
    ['least-request looks at two', 'least-request', four, numbers(0, 0), undefined, [1]],
    ['random does not look at what there is to do', 'random', four, numbers(0, 0.5, 0.99), undefined, [0, 2, 3]],
    ['random by capacity', 'random', [b, big], numbers(0.19, 0.21), undefined, [0, 1]],
    ['random: the next that was reached lately', 'random', [gone, alsoGone, a], numbers(0), undefined, [2]],
    ['random: not the one that failed', 'random', [a, b], numbers(0), a, [1]],
    ['random: none was reached', 'random', [gone, alsoGone], numbers(0), undefined, [0]],
    ['random: none was reached, and one failed', 'random', [gone, alsoGone], numbers(0), gone, [1]],
    ['random of one', 'random', [gone], numbers(), gone, [0]],
    ['random of none', 'random', [], numbers(), undefined, [-1]],
    ['one after the other', 'round-robin', four, numbers(0.5), undefined, [2, 3, 0, 1, 2, 3]],
    ['in turn, but for one that was not reached', 'round-robin', [a, gone, b], numbers(0), undefined, [0, 2, 2, 0]],
    ['in turn, but for one that failed', 'round-robin', [a, b, c], numbers(0), a, [1, 1, 2]],
    ['in turn by capacity', 'round-robin', [b, big], numbers(0), undefined, [0, 1, 1, 1, 1, 0, 1, 1, 1, 1]],
    ['in turn of none', 'round-robin', [], numbers(0), undefined, [-1]],
  ] as const) {
    test(name, () => {
      const choose = chooserOf<Candidate>(algorithm, random);
      const draw = drawOf<Candidate>(endpoints);
      const chosen = expected.map(() => named(choose(draw, except), endpoints));
      assert.deepEqual(chosen, expected);
    });
  }

  test('gives each its share in turn, of any capacities', () => {
    const endpoints = [0.5, 1, 2.5, 6].map((capacity) => at(0, { capacity }));
    const choose = chooserOf<Candidate>('round-robin', () => 0.3);
    const draw = drawOf<Candidate>(endpoints);
    const chosen = Array.from({ length: 1000 }, () => named(choose(draw), endpoints));
    for (const [index, share] of [50, 100, 250, 600].entries()) {
      const count = chosen.filter((one) => one === index).length;
      assert.ok(Math.abs(count - share) <= 4, `${index}: ${count} of 1000`);
    }
  });
});
