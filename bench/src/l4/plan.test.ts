import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosenLoads, FULL_PLAN, namedLoad, QUICK_PLAN, roundOrder } from './plan.ts';

test('roundOrder() runs every other round backwards', () => {
  assert.deepEqual(roundOrder(FULL_PLAN, 0), ['direct', 'nginx', 'envoy', 'ambit', 'ambit-http']);
  assert.deepEqual(roundOrder(FULL_PLAN, 1), ['ambit-http', 'ambit', 'envoy', 'nginx', 'direct']);
});

test('roundOrder() has all peers in all rounds of a full run, however many', () => {
  const many = { ...FULL_PLAN, starts: 3, rounds: 7 };
  for (let round = 0; round < 21; round++) assert.equal(roundOrder(many, round).length, FULL_PLAN.peers.length);
});

test('roundOrder() leaves direct out once its rounds are done', () => {
  assert.deepEqual(roundOrder(QUICK_PLAN, 0), ['direct', 'envoy', 'ambit']);
  assert.deepEqual(roundOrder(QUICK_PLAN, 1), ['ambit', 'envoy']);
});

test('the quick plan keeps its loads and warm-up within 40 seconds', () => {
  const warmUpSeconds = QUICK_PLAN.warmUp.reduce((sum, { seconds }) => sum + seconds, 0);
  let loadCount = 0;
  for (let round = 0; round < QUICK_PLAN.rounds; round++) {
    loadCount += roundOrder(QUICK_PLAN, round).length * QUICK_PLAN.loads.length;
  }
  assert.ok(loadCount * QUICK_PLAN.loadSeconds + warmUpSeconds <= 40);
});

test('namedLoad() is one that a peer can carry alone, also of that which has turns', () => {
  assert.deepEqual(namedLoad('c1'), { kind: 'requests', name: 'c1', connections: 1, closeEach: false });
  assert.deepEqual(namedLoad('c32'), { kind: 'requests', name: 'c32', connections: 32, closeEach: false });
  assert.deepEqual(namedLoad('bulk4'), { kind: 'bulk', name: 'bulk4', streams: 4 });
});

test('chosenLoads() has what is asked for by name, also what a quick run leaves out', () => {
  const names = (asked?: Parameters<typeof chosenLoads>[1]): readonly string[] =>
    chosenLoads(QUICK_PLAN, asked).map(({ name }) => name);
  assert.deepEqual(names(['c1-silent', 'c32']), ['c32', 'c1-silent']);
  assert.deepEqual(names(), ['c32', 'c128', 'bulk1', 'bulk4', 'c1', 'churn']);
});
